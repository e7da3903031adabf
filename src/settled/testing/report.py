"""What a stage has seen of one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from settled.records import Ending, Snapshot
from settled.states import Reason


class Execution(NamedTuple):
    """The task function was called: as which attempt, in which process."""

    attempt: int
    pid: int


@dataclass(frozen=True)
class Report:
    """How the task ended, and what it took.

    executions  every call of the function, in the order in which they began
    seconds     from the fault to the settled row; None if there was no fault
    restarts    how often the worker was started again
    log         what the workers wrote
    """

    ending: Ending
    executions: tuple[Execution, ...]
    seconds: float | None
    restarts: int
    log: str

    @property
    def task(self) -> Snapshot:
        """The settled row."""
        assert self.ending.snapshot is not None
        return self.ending.snapshot

    @property
    def completed(self) -> bool:
        """Whether the task ended well."""
        return self.ending.completed

    @property
    def result(self) -> Any:
        """Its result; None unless completed."""
        return self.ending.result

    @property
    def reason(self) -> Reason | None:
        """Why it failed; None if completed."""
        return self.ending.reason

    @property
    def message(self) -> str:
        """The reason in a sentence."""
        return self.ending.message

    @property
    def attempts(self) -> int:
        """How many attempts were begun."""
        return self.task.attempt

    def __str__(self) -> str:
        after = "" if self.seconds is None else f" {self.seconds:.2f} s after the fault"
        return f"{self.ending}{after}, {self.attempts} attempts"
