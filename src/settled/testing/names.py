"""By which name another process finds a ``Tasks`` object of this one."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from settled.errors import BadInput
from settled.tasks import Tasks


def target_of(tasks: Tasks, module: str) -> str:
    """Return ``module:attribute``, of the given module if it has it; raise ``BadInput`` if no module has it."""
    found = sorted(_targets(tasks), key=lambda target: (not target.startswith(f"{module}:"), target))
    if not found:
        raise BadInput(
            "The stage's processes cannot find this Tasks object: it is no global of an imported module. Make it one, "
            "as in tasks = Tasks(…) at the top of myapp.py."
        )
    return found[0]


def _targets(tasks: Tasks) -> Iterator[str]:
    for name, module in list(sys.modules.items()):
        if name == "__main__":  # another process has another one
            continue
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if value is tasks:
                yield f"{name}:{attribute}"
