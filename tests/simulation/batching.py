"""Who submits a batch and waits for it, in one of the web servers."""

from __future__ import annotations

import asyncio
from typing import Any

from settled import ledger_batches
from settled.batch import Batch
from settled.errors import SettledError
from settled.records import Snapshot
from tests.simulation import stand_ins
from tests.simulation.cast import Process
from tests.simulation.outside import Lost, new_task
from tests.simulation.plan import Task
from tests.simulation.referee import Waiter


def submit_batch(stage: Any, number: int, task: Task) -> None:
    """A page submits a batch, once or, with a key, until it is told so."""
    name = stand_ins.new_id(stage.server.now())
    news = [new_task(number, task)._replace(batch=name, key=None) for _ in range(task.batch)]
    if task.key:
        news[0] = news[0]._replace(key=f"key {number}")
    stage.referee.batches.asked(name, task.batch)
    for _ in range(5 if task.key else 1):
        try:
            rows = stage.network.ask(lambda server: server.ledger.add_batch(news), 8.0)
        except (Lost, SettledError, TimeoutError):
            stage.world.sleep(1.0)
            continue
        stage.referee.batches.submitted(name)
        for kind in task.waits:
            _wait(stage, kind, rows[0])
        return


def _wait(stage: Any, kind: str, first: Snapshot) -> None:
    living = [process for process in stage.living() if process.seat.web]
    if not living:
        return
    process: Process = stage.world.chance.choice(living)
    who = Waiter(kind, str(first.batch), process, [])
    stage.referee.waiters.append(who)

    def batch() -> Batch:
        while True:
            try:
                return Batch(process.ledger, ledger_batches.get(process.ledger, str(first.batch)))
            except SettledError:
                stage.world.sleep(1.0)

    def in_thread() -> None:
        who.ending = batch().wait()

    async def on_loop() -> None:
        found = await asyncio.to_thread(batch)
        who.ending = await found

    if kind == "loop":
        process.loop.call_soon(lambda: process._keep(process.loop.create_task(on_loop())))
    else:
        stage.world.spawn(process, in_thread)
