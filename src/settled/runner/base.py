"""One signature for all isolations: start a call, be told once how it ended, give up on it when asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from settled.runner.context import Context
from settled.runner.outcome import Outcome, completed, completed_each


class Function(NamedTuple):
    """What an isolation must know of a task function."""

    call: Callable[..., Any]
    name: str
    context_parameter: str | None
    max_result_bytes: int
    memory_limit: int | None = None
    kill_grace: float = 2.0
    context_position: int | None = None  # among the positional arguments
    group: int = 0  # set: one call gets a list of so many tasks' arguments at most, and returns one of results


class Call(NamedTuple):
    """One attempt's call; the arguments are as JSON gave them back."""

    function: Function
    args: list[Any]
    kwargs: dict[str, Any]
    context: Context
    task_id: str

    def finished(self, value: Any) -> Outcome:
        """The outcome of returning ``value``."""
        limit = self.function.max_result_bytes
        return completed_each(value, len(self.args[0]), limit) if self.function.group else completed(value, limit)

    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """The positional and the keyword arguments, with the context where the function asks for it."""
        function = self.function
        if function.context_parameter is None:
            return self.args, self.kwargs
        return placed(self.args, self.kwargs, self.context, function.context_parameter, function.context_position)


def placed(
    args: list[Any], kwargs: dict[str, Any], context: Context, name: str | None, position: int | None
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments with the context under its name, or in its place if others follow it by position."""
    if name is None:
        return args, kwargs
    if position is not None and position <= len(args):
        return [*args[:position], context, *args[position:]], kwargs
    return args, {**kwargs, name: context}


class Work(Protocol):
    """A started call."""

    def give_up(self) -> None:
        """Stop the work as far as it can be stopped; its outcome is decided already.

        From the event loop's thread; what runs in a process can be stopped from any.
        """

    def where(self) -> str:
        """Where the work is just now, in words, or nothing; from any thread."""

    def interrupt(self) -> None:
        """Break a call that blocks its thread, as far as it can be broken; from any other thread."""


class Isolation(Protocol):
    """A way to run a call so that its end is known."""

    def start(self, call: Call, ended: Callable[[Outcome], None]) -> Work:
        """Start on the running loop. ``ended`` is called on it when the work has ended or is left behind."""

    def close(self) -> None:
        """Let go of threads and processes."""
