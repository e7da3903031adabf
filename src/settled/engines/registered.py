"""A task function as the engines see it."""

from __future__ import annotations

from typing import NamedTuple

from settled.runner.base import Function


class Registered(NamedTuple):
    """A task function, and how it is run here."""

    function: Function
    isolation: str
    batch_wait: float = 0.0  # seconds that a task waits for others, to be run in one call with it
