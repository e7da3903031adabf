"""One thread reads for all event loops: looks that come in meanwhile share a query, and every read ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from settled import reader as reader_module
from settled.errors import LedgerUnavailable
from settled.ids import new_id
from settled.reader import Reader
from settled.records import Snapshot
from tests.core.host import Host, HostStore
from tests.stores.making import new_task
from tests.stores.worlds import write


class Slow(HostStore):
    """A store whose reads wait to be let go, and are counted."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.go = threading.Event()
        self.entered = threading.Event()
        self.queries: list[Sequence[str]] = []

    def read(self, ids: Sequence[str]) -> list[Snapshot]:
        self.queries.append(list(ids))
        self.entered.set()
        assert self.go.wait(timeout=20)
        return super().read(ids)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    host = Host(tmp_path)
    made = Slow(host)
    made.open()
    yield made
    made.go.set()
    made.close()


def play(store: Slow, scene: Any) -> Any:
    async def act() -> Any:
        reader = Reader(store)
        try:
            return await asyncio.wait_for(scene(reader), 20)
        finally:
            store.go.set()
            await asyncio.to_thread(reader.close)

    return asyncio.run(act())


def test_a_thousand_looks_cost_two_queries(store: Slow) -> None:
    rows = [row for row, _ in write(store, "insert", *[new_task() for _ in range(20)])]

    async def scene(reader: Reader) -> list[Snapshot | None]:
        first = asyncio.create_task(reader.task(rows[0].id))
        await asyncio.to_thread(store.entered.wait, 10)
        others = [asyncio.create_task(reader.task(rows[number % 20].id)) for number in range(1_000)]
        while reader._queue.qsize() < 1_000:  # noqa: ASYNC110 - a queue of threads has no event
            await asyncio.sleep(0)  # one turn of the loop, not a time
        store.go.set()
        return [await look for look in [first, *others]]

    found = play(store, scene)
    assert [row.id for row in found] == [rows[0].id, *(rows[number % 20].id for number in range(1_000))]
    assert [len(ids) for ids in store.queries] == [1, 20]


def test_an_unknown_task_is_none_and_a_text_that_is_no_id_harms_nobody(store: Slow) -> None:
    row, _ = write(store, "insert", new_task())[0]
    store.go.set()

    async def scene(reader: Reader) -> list[object]:
        looks = [reader.task(row.id), reader.task(new_id(0)), reader.task("\ud800")]
        return await asyncio.gather(*looks, return_exceptions=True)

    found = play(store, scene)
    assert found[:2] == [row, None]
    assert found[2] is None or isinstance(found[2], Exception)


def test_a_database_that_does_not_answer_ends_the_read(store: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "PATIENCE", 0.1)
    with pytest.raises(LedgerUnavailable, match="has not answered"):
        play(store, lambda reader: reader.task(new_id(0)))


def test_a_trouble_is_that_of_the_one_who_asked(store: Slow) -> None:
    def trouble() -> None:
        raise LedgerUnavailable("away")

    async def scene(reader: Reader) -> list[object]:
        return await asyncio.gather(reader.call(trouble), reader.call(lambda: 5), return_exceptions=True)

    away, five = play(store, scene)
    assert isinstance(away, LedgerUnavailable)
    assert five == 5


def test_a_cancellation_that_comes_with_the_answer_is_not_lost(store: Slow) -> None:
    """Or whoever reads in a loop, as the engine does, would never end."""

    async def scene(reader: Reader) -> bool:
        look = asyncio.create_task(reader.task(new_id(0)))
        await asyncio.to_thread(store.entered.wait, 10)
        loop = asyncio.get_running_loop()
        put, both = loop.call_soon_threadsafe, asyncio.Event()

        def with_it(call: Any, *args: Any) -> Any:
            def deliver() -> None:
                call(*args)
                look.cancel()
                both.set()

            return put(deliver)

        loop.call_soon_threadsafe = with_it  # type: ignore[method-assign, assignment]
        store.go.set()
        while not both.is_set():  # noqa: ASYNC110 - to wait for it would take a turn more
            await asyncio.sleep(0)  # one turn of the loop, not a time
        loop.call_soon_threadsafe = put  # type: ignore[method-assign]
        await asyncio.wait([look], timeout=10)
        return look.cancelled()

    assert play(store, scene)
