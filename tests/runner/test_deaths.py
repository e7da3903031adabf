"""A process of its own may die in any way: its task settles, says how, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from settled import Reason, Snapshot, Status, Tasks
from tests.runner import functions
from tests.runner.stage import Stage, acomes_true, comes_true, ended, lives

MIB = 1 << 20


def lost(row: Snapshot) -> str:
    """What is said of a lost worker."""
    assert (row.status, row.reason) == (Status.FAILED, Reason.WORKER_LOST)
    return row.error_message or ""


DEATHS = {
    "exit": "exited with code 7 before the function returned",
    "exit as if well": "exited with code 0 before the function returned",
    "segfault": "SIGSEGV before the function returned: it crashed with a segmentation fault",
    "abort": "SIGABRT before the function returned: it aborted",
    "closed": "exited with code 1",
    "SIGKILL": "SIGKILL before the function returned: it was killed by the system or by somebody",
    "SIGTERM": "SIGTERM before the function returned: it was terminated by somebody",
    "SIGBUS": "SIGBUS",
    "SIGHUP": "SIGHUP",
    "SIGUSR1": "SIGUSR1",
}


def test_each_way_to_die_is_told_from_the_others(processes: Stage) -> None:
    rows = processes.run_all(functions.die, [(how,) for how in DEATHS])
    said = {how: lost(row) for how, row in zip(DEATHS, rows, strict=True)}
    assert {how: message for how, message in said.items() if DEATHS[how] not in message} == {}


def test_a_kill_from_outside_settles_at_once(processes: Stage) -> None:
    async def play(tasks: Tasks) -> Snapshot:
        hang = processes.register(tasks, functions.hang)
        task = await hang.asubmit("sleep", str(processes.folder))
        pid = processes.folder / "pid"
        assert await acomes_true(lambda: pid.exists() and pid.read_text())
        before = tasks.ledger.store.now()
        os.kill(int(pid.read_text()), signal.SIGKILL)
        row = ended(await task)
        assert (row.finished_at or 0) - before < 10_000
        return row

    assert "SIGKILL" in lost(processes.act(play))


@pytest.mark.parametrize("kind", ["at once", "in pieces", "in crumbs"])
def test_a_process_over_its_memory_limit_is_out_of_memory(processes: Stage, kind: str) -> None:
    said = lost(processes.run(functions.eat, kind, memory_limit=150 * MIB))
    assert "ran out of memory: its limit is 150 MiB, its peak was " in said
    assert "Raise memory_limit" in said


def test_a_process_within_its_memory_limit_is_left_alone(processes: Stage) -> None:
    assert processes.run(functions.give, "fine", memory_limit=300 * MIB).result == "fine"


@pytest.mark.parametrize("leave", [functions.leave_a_child, functions.leave_a_fork])
def test_a_process_that_is_left_behind_is_gone_when_its_task_has_ended(processes: Stage, leave: object) -> None:
    row = processes.run(leave)  # type: ignore[arg-type]
    assert row.status is Status.COMPLETED
    assert comes_true(lambda: not lives(row.result))


def test_a_thread_that_is_left_behind_keeps_nobody(processes: Stage) -> None:
    row = processes.run(functions.leave_a_thread)
    assert row.result == "returned"
    assert (row.finished_at or 0) - (row.started_at or 0) < 20_000


def test_a_function_may_have_processes_of_its_own(processes: Stage) -> None:
    assert processes.run(functions.use_a_pool).result > 1


def test_a_function_in_a_class_is_found(processes: Stage) -> None:
    assert processes.run(functions.Holder.nested, 1).result == 2


def test_an_async_function_runs_in_a_process_too(processes: Stage) -> None:
    async def play(tasks: Tasks) -> Snapshot:
        return ended(await (await processes.register(tasks, functions.ahang, timeout=0.7).asubmit("await", "")))

    row = processes.act(play)
    assert (row.status, row.reason) == (Status.FAILED, Reason.TIMEOUT)


def test_a_function_that_is_not_there_any_more_is_named(processes: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanished() -> None: ...

    vanished.__qualname__ = vanished.__name__ = "vanished"
    row = processes.run(vanished)
    assert (row.status, row.reason) == (Status.FAILED, Reason.EXCEPTION)
    assert "vanished" in (row.error_message or "")


def test_a_process_that_cannot_be_started_says_so(processes: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(tasks: Tasks) -> Snapshot:
        give = processes.register(tasks, functions.give)
        with monkeypatch.context() as broken:
            broken.setattr(sys, "executable", str(processes.folder / "nothing"))
            row = ended(await (await give.asubmit()))
        assert ended(await (await give.asubmit("well"))).result == "well"
        return row

    said = lost(processes.act(play))
    assert "No process could be started" in said
    assert "nothing" in said


SUPERVISOR = """
import sys
from settled import Tasks
from tests.runner import functions
tasks = Tasks(sys.argv[1])
hang = tasks.task(timeout=60, isolation="process")(functions.hang)
hang.submit("with a family", sys.argv[2])
print("submitted", flush=True)
sys.stdin.read()
"""


def test_when_the_supervisor_dies_so_do_child_and_grandchild(processes: Stage) -> None:
    folder = processes.folder
    paths = [os.environ.get("PYTHONPATH", ""), str(Path(__file__).parents[2])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, f"sqlite:///{folder}/tasks.db", str(folder)],
        stdin=subprocess.PIPE, env=environment,
    )  # fmt: skip
    try:
        assert comes_true(lambda: (folder / "child").exists() and (folder / "child").read_text(), 30)
        family = [int((folder / name).read_text()) for name in ("pid", "child")]
        assert all(map(lives, family))
        supervisor.kill()
        supervisor.wait(timeout=10)
        assert comes_true(lambda: not any(map(lives, family)))
    finally:
        supervisor.kill()
        supervisor.communicate(timeout=10)

    async def play(tasks: Tasks) -> Snapshot:
        return tasks.ledger.list()[0]

    assert "died or stopped answering during attempt 1 of 1" in lost(processes.act(play))
