"""An application whose refreshes run in a pool of processes, which import it too."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

from settled import PublicError, Tasks
from settled.engines.executor import ExecutorEngine


def pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


tasks = Tasks(
    os.environ.get("TESTED_LEDGER", "sqlite:///nowhere.db"),
    engine=ExecutorEngine(pool, "tests.latest.elsewhere:tasks"),
    drain=0,
)


@tasks.latest(fresh_for=60, retry_after=60)
def traffic(key: str) -> list[object]:
    if key == "bad":
        raise PublicError("No such domain.")
    return [key, os.getpid()]


if __name__ == "__main__":
    good, bad = traffic.sync.get_many(["good", "bad"], wait=60)
    assert good.value[0] == "good"
    assert good.value[1] != os.getpid()
    assert bad.last_error is not None
    assert bad.last_error.message == "No such domain."
    assert not traffic.sync.get("bad").refreshing
    print("done")
