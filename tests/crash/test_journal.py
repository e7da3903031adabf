"""A process ends an attempt while the database is away, and dies before it is back: the outcome is not lost."""

from __future__ import annotations

from tests.crash.processes import until
from tests.crash.test_locked import UNLOCKED
from tests.crash.world import HELD, FileWorld


def test_what_a_killed_process_could_not_write_is_written_by_the_next_one_of_its_machine(world: FileWorld) -> None:
    worker = world.worker()
    tasks = [worker.submit(name, world.gate()) for name in HELD]
    for task in tasks:
        world.executing(task)
    lock = world.script("locks")
    world.open_gate()
    folder = world.path.with_name(world.path.name + ".workers")

    def kept() -> bool:
        return sum(len(file.read_text().splitlines()) for file in folder.glob("journal-*.jsonl")) == len(tasks)

    until(kept, 10, "every outcome is in the journal")
    worker.kill()
    world.submitter(wait=False)
    lock.let_go()

    rows = [world.written(task, 10 + UNLOCKED) for task in tasks]
    assert [row["status"] for row in rows] == ["completed"] * len(tasks)
    assert len(world.executions()) == len(tasks)
    until(lambda: not list(folder.glob("journal-*.jsonl")), 20, "the journal is cleaned up")
