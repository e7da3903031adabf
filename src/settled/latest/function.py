"""A latest function: the user's function of a key, and the verbs by which its values are read and changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, ParamSpec, TypeVar

from settled import waiter
from settled.errors import BadInput, BadTaskFunction
from settled.function import TaskFunction
from settled.latest.answer import Latest
from settled.latest.keys import Keys
from settled.latest.options import Options
from settled.latest.steps import Home
from settled.records import Former

P = ParamSpec("P")
R = TypeVar("R")
Mode = Literal["auto", "never", "force"]
"""auto: start a refresh where the value is missing or not fresh, and it may be tried; never; force: start one now."""
Found = list[Latest]
Formers = list[Former]


class LatestFunction(Generic[P, R]):
    """What ``@tasks.latest`` makes of a function: call it as before, or read the latest value of a key.

    The verbs are for an event loop; ``sync`` has the same for threads and scripts. Keys are what the ``key=`` hook
    makes of the text that is asked for; ``BadKey`` is raised for what it refuses, before anything is done.
    """

    def __init__(
        self, task: TaskFunction[P, R], home: Home, options: Options, hook: Callable[[str], str] | None
    ) -> None:
        try:
            task.new(("key",), {})
        except BadInput as error:
            raise BadTaskFunction(f"{task.name} needs one argument, the key, and no other: {error}") from None
        self.task = task
        self.function = task.function
        self.name = task.name
        self.options = options
        self.keys = Keys(task, home, options, hook)
        self.__doc__ = task.__doc__
        self.__name__ = task.__name__
        self.__wrapped__ = task.function

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it here and now; no value is kept."""
        return self.function(*args, **kwargs)

    def key_of(self, asked: str) -> str:
        """The key that a text stands for; raises ``BadKey``."""
        return self.keys.key_of(asked)

    @property
    def sync(self) -> Sync:
        """The same verbs, for threads and scripts."""
        return Sync(self.keys)

    async def get(self, key: str, *, refresh: Mode = "auto", wait: float = 0) -> Latest:
        """The key as it stands, at once; or once its refresh has settled, after ``wait`` seconds at most.

        Raises ``BadKey``; ``LedgerUnavailable`` if it cannot be read or, with force, not be written.
        """
        return (await self.get_many([key], refresh=refresh, wait=wait))[0]

    async def get_many(self, keys: Sequence[str], *, refresh: Mode = "auto", wait: float = 0) -> Found:
        """The same for many keys, in the order asked; all refreshes that start do so in one commit."""
        known = self.keys.keys_of(keys)
        found = await self.keys.arun(self.keys.getting(known, refresh))
        ids = {str(latest.task_id) for latest in found if latest.refreshing}
        if wait <= 0 or not ids:
            return found
        ledger = await self.keys.opened()
        await asyncio.gather(*(waiter.await_(ledger, task_id, wait) for task_id in ids))
        return await self.keys.arun(self.keys.getting(known, "never"))

    async def set(self, key: str, value: Any) -> Latest:
        """Put a value by hand, which counts as a refresh that succeeded now; one under way is cancelled."""
        return await self.keys.arun(self.keys.setting(self.key_of(key), value))

    async def purge(self, key: str) -> bool:
        """Forget the key, its error and its history; a refresh under way is cancelled. False if nothing was known."""
        return await self.keys.arun(self.keys.purging(self.key_of(key)))

    async def history(self, key: str, limit: int = 1_000) -> Formers:
        """The values that the key had before, newest first, as many as ``history=`` keeps."""
        return await self.keys.arun(self.keys.remembering(self.key_of(key), limit))

    async def list(self, *, after: str | None = None, limit: int = 100, failing: bool = False) -> Found:
        """Keys in their order, from ``after`` one on; ``failing``: only those whose newest refresh failed."""
        return await self.keys.arun(self.keys.listing(after, limit, failing))


class Sync:
    """The verbs of a latest function, for threads and scripts; see there."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def get(self, key: str, *, refresh: Mode = "auto", wait: float = 0) -> Latest:
        """The key as it stands, at once or once its refresh has settled."""
        return self.get_many([key], refresh=refresh, wait=wait)[0]

    def get_many(self, keys: Sequence[str], *, refresh: Mode = "auto", wait: float = 0) -> Found:
        """Many keys, in the order asked."""
        known = self._keys.keys_of(keys)
        found = self._keys.run(self._keys.getting(known, refresh))
        ids = {str(latest.task_id) for latest in found if latest.refreshing}
        if wait <= 0 or not ids:
            return found
        until = time.monotonic() + wait
        for task_id in ids:
            waiter.wait(self._keys.ledger, task_id, max(0.0, until - time.monotonic()))
        return self._keys.run(self._keys.getting(known, "never"))

    def set(self, key: str, value: Any) -> Latest:
        """Put a value by hand."""
        return self._keys.run(self._keys.setting(self._keys.key_of(key), value))

    def purge(self, key: str) -> bool:
        """Forget the key."""
        return self._keys.run(self._keys.purging(self._keys.key_of(key)))

    def history(self, key: str, limit: int = 1_000) -> Formers:
        """The values that the key had before, newest first."""
        return self._keys.run(self._keys.remembering(self._keys.key_of(key), limit))

    def list(self, *, after: str | None = None, limit: int = 100, failing: bool = False) -> Found:
        """Keys in their order."""
        return self._keys.run(self._keys.listing(after, limit, failing))
