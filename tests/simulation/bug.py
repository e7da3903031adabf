"""What a planted bug is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Plants = list[tuple[Any, str, Any]]


class Bug(NamedTuple):
    """One known bug: where it was seen, how to plant it, and the rules of which it breaks one."""

    seen: str
    plants: Callable[[], Plants]
    breaks: tuple[str, ...]
