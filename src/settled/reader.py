"""One thread through which the reads of event loops go, where a read takes longer than a loop may wait.

Looks at single tasks that come in while a query is under way share the next one: a thousand waiting
pages cost one query, and one connection.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any

from settled.errors import LedgerUnavailable
from settled.post import Post
from settled.records import Snapshot
from settled.stores.base import RowRefused, Store

PATIENCE = 5.0
"""Seconds after which a read that has not been answered is given up."""
MAX_BATCH = 2_000


class _Read:
    """One read on its way: a task's id, or a call; and who waits for it."""

    __slots__ = ("call", "future", "task_id")

    def __init__(self, task_id: str, call: Callable[[], Any] | None, future: asyncio.Future[Any]) -> None:
        self.task_id = task_id
        self.call = call
        self.future = future


class Reader:
    """Reads of one store, for event loops."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: SimpleQueue[_Read | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()

    async def task(self, task_id: str) -> Snapshot | None:
        """The task as it stands, if there is one."""
        found: Snapshot | None = await self._put(task_id, None)
        return found

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """What one of the store's verbs that read returns."""
        return await self._put("", lambda: function(*args))

    def close(self) -> None:
        """End the thread; what is queued is answered first."""
        with self._guard:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join(timeout=PATIENCE)

    async def _put(self, task_id: str, call: Callable[[], Any] | None) -> Any:
        future = asyncio.get_running_loop().create_future()
        if self._thread is None:
            self._start()
        self._queue.put(_Read(task_id, call, future))
        try:
            async with asyncio.timeout(PATIENCE):  # wait_for would lose a cancellation that comes with the answer
                return await future
        except TimeoutError:
            raise LedgerUnavailable(f"The ledger has not answered for {PATIENCE:g} s.") from None

    def _start(self) -> None:
        with self._guard:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="settled-reader", daemon=True)
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        going_on = True
        while going_on:
            batch: list[_Read] = []
            going_on = self._take(batch)
            post = Post()
            looks = [read for read in batch if read.call is None]
            if looks:
                self._look(looks, post)
            for read in batch:
                if read.call is not None:
                    _answer(read, read.call, post)
            post.send()

    def _take(self, batch: list[_Read]) -> bool:
        """Wait for a read, and add what else is queued; False once the thread is to end."""
        wait = True
        while len(batch) < MAX_BATCH:
            try:
                read = self._queue.get(block=wait)
            except Empty:
                return True
            if read is None:
                return False
            batch.append(read)
            wait = False
        return True

    def _look(self, looks: Sequence[_Read], post: Post) -> None:
        ids = list(dict.fromkeys(read.task_id for read in looks))
        try:
            found = {row.id: row for row in self._store.read(ids)}
        except RowRefused:  # one of them is no text that the database can look for
            for read in looks:
                _answer(read, lambda id_=read.task_id: next(iter(self._store.read([id_])), None), post)  # type: ignore[misc]
        except Exception as error:
            for read in looks:
                post.add(read.future.get_loop(), _set_error, (read.future, error))
        else:
            for read in looks:
                post.add(read.future.get_loop(), _set, (read.future, found.get(read.task_id)))


def _answer(read: _Read, call: Callable[[], Any], post: Post) -> None:
    try:
        found = call()
    except Exception as error:
        post.add(read.future.get_loop(), _set_error, (read.future, error))
    else:
        post.add(read.future.get_loop(), _set, (read.future, found))


def _set(answer: tuple[asyncio.Future[Any], Any]) -> None:
    future, found = answer
    if not future.done():
        future.set_result(found)


def _set_error(answer: tuple[asyncio.Future[Any], Exception]) -> None:
    future, error = answer
    if not future.done():
        future.set_exception(error)
