"""What reading and changing the keys of one latest function does, step by step; ``steps`` says how each is done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from settled.errors import BadInput, BadKey, LedgerUnavailable
from settled.function import MOST_CHARACTERS, TaskFunction
from settled.ids import new_id
from settled.latest.answer import Latest, Look, answer_of, unstarted, wants
from settled.latest.hands import purging, putting
from settled.latest.options import Options
from settled.latest.steps import (
    Asking,
    Calling,
    Home,
    Looking,
    Machine,
    Starting,
    arun,
    run,
)
from settled.ledger import SUBMIT_PATIENCE, Ledger
from settled.records import Former, LatestRow, Snapshot
from settled.runner.outcome import completed
from settled.runner.text import storable
from settled.stores.base import Refresh
from settled.writer import READ_PATIENCE

T = TypeVar("T")
MODES = ("auto", "never", "force")


class Keys:
    """The keys of one function. Each verb is a machine of steps, for ``steps.run`` or ``steps.arun``."""

    def __init__(
        self, task: TaskFunction[..., Any], home: Home, options: Options, hook: Callable[[str], str] | None
    ) -> None:
        self.name = task.name
        self._task = task
        self._home = home
        self._options = options
        self._hook = hook
        self._away_until = 0.0

    # -- who takes the steps

    def run(self, machine: Machine[T]) -> T:
        """Take a machine's steps in this thread."""
        return run(machine, self._home.ledger)

    @property
    def ledger(self) -> Ledger:
        """The ledger, opened."""
        return self._home.ledger

    async def arun(self, machine: Machine[T]) -> T:
        """Take a machine's steps on the running loop."""
        return await arun(machine, await self.opened())

    async def opened(self) -> Ledger:
        """The ledger; the first in a process has to open it, which is not for an event loop."""
        ledger = self._home.at_hand
        return await asyncio.to_thread(getattr, self._home, "ledger") if ledger is None else ledger

    # -- the verbs

    def keys_of(self, asked: Sequence[str]) -> list[str]:
        """The same for many texts."""
        if isinstance(asked, str):
            raise BadInput(f"{asked!r} is a text and no list of keys. Give a list, or use get(key) for one.")
        return [self.key_of(text) for text in asked]

    def key_of(self, asked: str) -> str:
        """The key that a text stands for; raises ``BadKey``."""
        key = asked
        if self._hook is not None and isinstance(asked, str):
            try:
                key = self._hook(asked)
            except BadKey:
                raise
            except ValueError as error:
                raise BadKey(str(error) or f"{ascii(asked)[:60]} is no key of {self.name}.") from error
        if not isinstance(key, str) or not 0 < len(key) <= MOST_CHARACTERS or storable(key) != key:
            raise BadKey(
                f"{ascii(asked)[:60]} is no key: give a text of 1 to {MOST_CHARACTERS} characters, without NUL."
            )
        return key

    def getting(self, keys: Sequence[str], mode: str) -> Machine[list[Latest]]:
        """Keys as they stand, in the order asked, with refreshes started where they are wanted."""
        if mode not in MODES:
            raise BadInput(f"refresh={mode!r} is unknown. Use one of {', '.join(MODES)}.")
        looks: list[Look] = yield Looking(self.name, keys)
        fresh = self._options.policy.fresh_ms
        wanted = {look.row.key for look in looks if wants(look.row, mode, fresh)}
        if wanted and (mode == "force" or time.monotonic() >= self._away_until):
            looks = yield from self._starting(looks, wanted, mode)
        elif wanted:
            looks = [_unstarted(look, wanted, _AWAY, READ_PATIENCE) for look in looks]
        return [answer_of(look, self._options) for look in looks]

    def _starting(self, looks: Sequence[Look], wanted: set[str], mode: str) -> Machine[list[Look]]:
        """Start what is wanted, in one commit; tell of what another process has started meanwhile."""
        force = mode == "force"
        asked = sorted(wanted)
        try:
            patience = SUBMIT_PATIENCE if force else READ_PATIENCE
            tasks: list[Snapshot | None] = yield Starting(self._home, partial(self._refreshes, asked, force), patience)
        except LedgerUnavailable as error:
            if force:
                raise
            self._away_until = time.monotonic() + READ_PATIENCE  # a page that asks again must not wait again
            return [_unstarted(look, wanted, _AWAY, error.retry_after) for look in looks]
        # One that has settled already, as when its commit was confirmed late, is in the key's row by now; and whoever
        # looks settles one that is past its time by then.
        started = {
            key: task for key, task in zip(asked, tasks, strict=True)
            if task is not None and not task.settled and not task.overdue
        }  # fmt: skip
        others = [key for key in asked if key not in started]
        anew: list[Look] = []
        if others:
            anew = yield Looking(self.name, others)
        by_key = {look.row.key: look for look in anew}
        return [by_key.get(look.row.key) or _started(look, started.get(look.row.key)) for look in looks]

    def _refreshes(self, keys: Sequence[str], force: bool) -> list[Refresh]:
        now = self._home.ledger.store.now()
        return [
            Refresh(key, new_id(now), self._home.before_start(self._task.new((key,), {})), self._options.policy, force)
            for key in keys
        ]

    def setting(self, key: str, value: Any) -> Machine[Latest]:
        """A value by hand."""
        outcome = completed(value, self._task.described.max_result_bytes)
        if outcome.result_data is None:
            raise BadInput(f"{outcome.message} Nothing was set.")
        yield from putting(self.name, key, outcome.result_data, self._options.policy)
        return (yield from self.getting([key], "never"))[0]

    def purging(self, key: str) -> Machine[bool]:
        """A key forgotten; whether there was one."""
        return (yield from purging(self.name, key))

    def listing(self, after: str | None, limit: int, failing: bool) -> Machine[list[Latest]]:
        """Keys in their order."""
        page = None if after is None else (self.name, after)
        rows: list[LatestRow] = yield Calling(self._page, (page, limit, failing))
        if not rows:
            return []
        return (yield from self.getting([row.key for row in rows], "never"))

    def remembering(self, key: str, limit: int) -> Machine[list[Former]]:
        """Former values."""
        found: list[Former] = yield Asking("former", (self.name, key, limit))
        return found

    def _page(self, after: tuple[str, str] | None, limit: int, failing: bool) -> list[LatestRow]:
        return self._home.ledger.store.list_latest(self.name, after, limit, failing=failing)


_AWAY = "The refresh could not be started, for the ledger cannot be written just now. Ask again in a few seconds."


def _unstarted(look: Look, wanted: set[str], why: str, pause: float) -> Look:
    return Look(unstarted(look.row, why, pause), None) if look.row.key in wanted else look


def _started(look: Look, task: Snapshot | None) -> Look:
    """The look as it is with a refresh that this process has just started."""
    if task is None:
        return look
    return Look(look.row._replace(task=task.id, refreshing=True, as_of=task.as_of), task)
