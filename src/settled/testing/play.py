"""What a stage tells the processes that it starts, in one variable of their environment."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from settled.testing.spots import Spot

VARIABLE = "SETTLED_STAGE"


class Play(NamedTuple):
    """Which ``Tasks`` to move to which ledger, what to import, where to stop, and whom to tell so."""

    ledger: str
    tasks: str  # module:attribute
    modules: Sequence[str] = ()
    port: int = 0
    token: str = ""
    spot: Spot | None = None
    app: str = ""  # of a server: module:attribute

    def environment(self) -> dict[str, str]:
        """For the new process."""
        return {VARIABLE: json.dumps(self)}


@cache
def played() -> Play | None:
    """The play that this process was started for, if it was for one."""
    text = os.environ.get(VARIABLE)
    if text is None:
        return None
    ledger, tasks, modules, port, token, spot, app = json.loads(text)
    return Play(ledger, tasks, modules, port, token, None if spot is None else Spot(*spot), app)
