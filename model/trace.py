"""Replays what really happened to a task through the model's own transition table.

A trace is the changes of one task and of the workers, as they were committed. It becomes a Promela program that calls
the inlines of ``settled.pml`` in that order and asserts that each is let through, and to the same row.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from settled.records import Snapshot

MODEL = Path(__file__).with_name("settled.pml")
Step = tuple[int, str, Any, Snapshot | None, Snapshot | None]
"""(instant, verb, what was asked, the row before, the row after); no rows for what becomes of workers."""


def program(steps: Iterable[Step], task_id: str) -> str:
    """The Promela program of one task's trace."""
    workers: dict[str, int] = {}
    lines: list[str] = []
    attempts = 1
    for now, verb, asked, before, after in steps:
        if after is None:
            lines += _of_worker(verb, asked, workers)
        elif after.id == task_id:
            attempts = after.max_attempts
            lines += _of_task(now, verb, asked, before, after, workers)
    head = f"#define TRACE\n#define WORKERS {max(1, len(workers))}\n#define MAX {attempts}\n"
    return f'{head}#include "{MODEL}"\ninit {{\n    bool won;\n    ' + ";\n    ".join([*lines, "skip"]) + "\n}\n"


def accepted(text: str, folder: Path) -> str:
    """What Spin says against it: nothing, if the model lets it through."""
    file = folder / "trace.pml"
    file.write_text(text)
    done = subprocess.run(["spin", str(file)], capture_output=True, text=True, timeout=100, check=False, cwd=folder)
    said = done.stdout + done.stderr
    return said if "rror" in said or "1 process created" not in said else ""


def _number(worker: str, workers: dict[str, int]) -> int:
    return workers.setdefault(worker, len(workers))


def _of_worker(verb: str, asked: Any, workers: dict[str, int]) -> Iterator[str]:
    if verb == "enlist":
        yield f"enlist({_number(asked.id, workers)})"
    elif verb == "lose":
        number = _number(asked.worker, workers)
        yield f"silent[{number}] = true; lose({number}, {str(asked.gone).lower()}, won); assert(won)"
    elif verb == "dismiss":
        yield f"known[{_number(asked, workers)}] = false"


def _of_task(
    now: int, verb: str, asked: Any, before: Snapshot | None, after: Snapshot, workers: dict[str, int]
) -> Iterator[str]:
    if before is None:
        yield "submit()"
    else:
        yield f"late = {str(before.deadline_at <= now).lower()}; past = {str(before.settles_at <= now).lower()}"
    if verb == "claim" or (before is None and after.worker is not None):
        number = _number(str(after.worker), workers)
        yield f"claim({number}, won); assert(won && attempt == {after.attempt} && owner == {number})"
    elif verb == "settle":
        expiry = str(asked.expiry).lower()
        yield f"settle({asked.attempt}, {asked.seen}, {asked.status}, {expiry}, won); assert(won)"
    if verb != "progress":
        yield f"assert(status == {after.status} && attempt == {after.attempt})"
