"""The bench of another engine's worker: what that engine says of one task, where one call is for several."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from settled import Reason, Status, Task, Tasks
from settled.stores.base import Change, Written

WITHIN = 20.0


def test_one_call_is_given_up_on_for_all_of_its_tasks(tmp_path: Path) -> None:
    tasks = Tasks(f"sqlite:///{tmp_path}/tasks.db", embedded=False, drain=0)

    async def work() -> None:
        begun = asyncio.Event()

        @tasks.task(batch=2)
        async def each(items: list[str]) -> list[str]:
            begun.set()
            await asyncio.sleep(600)
            return items

        one, other = await each.asubmit("a"), await each.asubmit("b")
        await tasks._service.abegin()
        carrying = asyncio.create_task(tasks.acarry(one.id))
        await asyncio.wait_for(begun.wait(), WITHIN)
        tasks._service.give_up(one.id, Reason.INTERRUPTED, "The engine ends its job.")
        for task in (one, other):
            assert (await task.await_(WITHIN)).reason is Reason.INTERRUPTED
        await asyncio.wait_for(carrying, WITHIN)
        await tasks._service.end()

    asyncio.run(work())


@pytest.mark.parametrize("brought", ["in a thread", "on the loop", "with another"])
def test_at_shutdown_what_is_being_claimed_runs_too(tmp_path: Path, brought: str) -> None:
    tasks = Tasks(f"sqlite:///{tmp_path}/tasks.db", embedded=False, drain=20)
    claimed, told = threading.Event(), threading.Event()

    @tasks.task
    async def one(item: str) -> str:
        return item

    @tasks.task(batch=2)
    async def each(items: list[str]) -> list[str]:
        return items

    async def work() -> list[Task]:
        if brought == "with another":
            submitted = [await each.asubmit("a"), await each.asubmit("b")]
        else:
            submitted = [await one.asubmit("a")]
        await tasks._service.abegin()
        write = tasks.ledger.store.write

        def tell_late(changes: Sequence[Change]) -> Written:
            found = write(changes)
            rows = [row for change, result in zip(changes, found.results, strict=True)
                    if change.verb == "claim" for rows in result for row in rows]  # fmt: skip
            if submitted[-1].id in {row.id for row in rows}:
                claimed.set()
                told.wait(WITHIN)
            return found

        tasks.ledger.store.write = tell_late  # type: ignore[method-assign]
        first = submitted[0].id
        if brought == "in a thread":
            threading.Thread(target=tasks.carry, args=(first,), daemon=True).start()
        else:
            carrying.append(asyncio.create_task(tasks.acarry(first)))
        assert await asyncio.to_thread(claimed.wait, WITHIN)
        asyncio.get_running_loop().call_later(0.3, told.set)  # when the bench has begun to stop
        await tasks._service.end()
        return submitted

    carrying: list[asyncio.Task[None]] = []
    submitted = asyncio.run(work())
    for task in submitted:
        row = tasks.get(task.id)
        assert row.status is Status.COMPLETED, row.error_message
    tasks.stop()


def test_at_shutdown_nobody_waits_for_what_could_not_be_claimed(tmp_path: Path) -> None:
    tasks = Tasks(f"sqlite:///{tmp_path}/tasks.db", embedded=False, drain=600)

    @tasks.task
    async def one() -> None: ...

    async def work() -> None:
        task = await one.asubmit()
        await tasks._service.abegin()
        worker, tasks.ledger.membership.worker = tasks.ledger.membership.worker, None  # as if it had not enlisted yet
        carrying = asyncio.create_task(tasks.acarry(task.id))
        await asyncio.sleep(0)  # it has asked
        carrying.cancel()
        engine = tasks._service.engine
        assert engine is not None
        await asyncio.wait_for(engine.stop(600), WITHIN)
        tasks.ledger.membership.worker = worker
        await tasks._service.end()
        with pytest.raises(asyncio.CancelledError):
            await carrying

    asyncio.run(work())
    tasks.stop()


def test_who_carries_a_task_waits_no_longer_than_its_loop_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("settled.engines.bench.LOOK_AT_LOOP", 0.05)
    tasks = Tasks(f"sqlite:///{tmp_path}/tasks.db", embedded=False, drain=0)
    begun, over = threading.Event(), threading.Event()

    @tasks.task
    def hang() -> None:
        begun.set()
        over.wait(60)

    async def work() -> threading.Thread:
        task = await hang.asubmit()
        await tasks._service.abegin()
        carrying = threading.Thread(target=tasks.carry, args=(task.id,), daemon=True)
        carrying.start()
        assert await asyncio.to_thread(begun.wait, WITHIN)
        return carrying

    loop = asyncio.new_event_loop()
    carrying = loop.run_until_complete(work())
    loop.close()
    carrying.join(WITHIN)
    over.set()
    assert not carrying.is_alive()
    tasks.stop()
