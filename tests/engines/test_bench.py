"""The bench of another engine's worker: what that engine says of one task, where one call is for several."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from settled import Reason, Tasks

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
