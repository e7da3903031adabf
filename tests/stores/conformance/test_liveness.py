"""hold and gone: the death of another process is known at once, and nothing else is taken for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from settled.stores.base import Store
from tests.stores.worlds import World, until

HOLDER = """
import subprocess, sys
from settled.stores.urls import store_of
store = store_of(sys.argv[1])
store.open()
store.hold(sys.argv[2])
assert not store.gone(sys.argv[2])
child = subprocess.Popen(["sleep", "30"]) if "with-child" in sys.argv else None
print(child.pid if child else "held", flush=True)
sys.stdin.readline()
store.release(sys.argv[2])
store.close()
"""
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def holder(world: World, store: Store) -> Iterator[Start]:
    """Starts another process that holds a worker's lock."""
    processes: list[subprocess.Popen[str]] = []

    def start(worker: str, *words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, world.url, worker, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        process.said = process.stdout.readline().strip()  # type: ignore[attr-defined]
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate(timeout=10)


def test_a_process_is_gone_when_it_was_killed_and_not_before(store: Store, holder: Start) -> None:
    process = holder("w")
    assert not store.gone("w")
    assert not store.gone("w")  # looking did not take the lock away
    process.kill()
    process.wait(timeout=10)
    until(lambda: store.gone("w"))
    assert store.gone("w")


def test_a_child_that_outlives_its_worker_does_not_keep_it_alive(store: Store, holder: Start) -> None:
    process = holder("w", "with-child")
    process.kill()
    process.wait(timeout=10)
    until(lambda: store.gone("w"))
    subprocess.run(["kill", process.said], check=True, timeout=10)  # type: ignore[attr-defined]


def test_a_worker_that_left_in_order_is_not_gone(store: Store, holder: Start) -> None:
    process = holder("w")
    process.communicate("\n", timeout=10)
    assert not store.gone("w")


def test_a_dead_worker_that_was_cleaned_up_leaves_nothing(world: World, store: Store, holder: Start) -> None:
    process = holder("w")
    process.kill()
    process.wait(timeout=10)
    store.release("w")
    assert not store.gone("w")
    assert not world.open().gone("w")


def test_each_worker_of_a_process_is_told_apart(store: Store, holder: Start) -> None:
    store.hold("mine")
    process = holder("theirs")
    process.kill()
    process.wait(timeout=10)
    until(lambda: store.gone("theirs"))
    assert not store.gone("mine")
    store.release("mine")
