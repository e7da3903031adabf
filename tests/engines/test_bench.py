"""The bench of another engine's worker: what that engine says of one task, where one call is for several."""

from __future__ import annotations

import asyncio
from pathlib import Path

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
