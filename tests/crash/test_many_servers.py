"""Several server processes on one file: each attempt is executed once, wherever it was submitted, and all settle."""

from __future__ import annotations

import time

from tests.crash.conftest import Worlds
from tests.crash.processes import until

SERVERS = 4
EACH = 40


def test_four_servers_execute_each_task_exactly_once(worlds: Worlds) -> None:
    world = worlds(concurrency=5, threads=3)
    backlog = [world.submit("quick", number) for number in range(EACH)]
    servers = [world.worker(wait=False) for _ in range(SERVERS)]
    for server in servers:
        server.ready()
    world.open_gate()
    begun = time.monotonic()
    for number in range(EACH):  # all four submit at the same time
        for server in servers:
            server.order(
                do="submit",
                name=("quick", "sleeps", "held_in_thread")[number % 3],
                args=[(0, 0.01, world.gate())[number % 3]],
                using={},
            )

    tasks = EACH * (SERVERS + 1)
    until(lambda: sum(row["status"] == "completed" for row in world.rows().values()) == tasks, 60, "all have completed")

    world.record(
        f"{SERVERS} servers on one file, {tasks} tasks", "completed, each executed once", time.monotonic() - begun
    )
    executions = world.executions()
    assert len(executions) == len({execution.id for execution in executions}) == tasks
    assert {execution.pid for execution in executions} == {server.pid for server in servers}
    assert set(backlog) < {execution.id for execution in executions}
    assert world.ledger.counts()["refused"] == 0


def test_of_four_servers_three_may_be_killed_in_turn_and_everything_settles(worlds: Worlds) -> None:
    world = worlds(concurrency=5)
    _ = world.ledger  # it makes the file, which is another test's matter
    servers = [world.worker(wait=False) for _ in range(SERVERS)]
    for server in servers:
        server.ready()
    tasks = [server.submit("sleeps", 0.4, attempts=4) for server in servers for _ in range(8)]

    for server in servers[:-1]:
        until(lambda pid=server.pid: any(e.pid == pid for e in world.executions()), 20, "it has run something")
        server.kill()
    until(lambda: all(row["status"] == "completed" for row in world.rows().values()), 60, "all have completed")

    assert len(world.rows()) == len(tasks)
    alone = [servers[-1].pid]
    until(lambda: [worker.pid for worker in world.ledger.workers()] == alone, 20, "the dead have no rows any more")
