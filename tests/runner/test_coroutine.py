"""A coroutine that holds its loop is broken off in the task function, and nowhere else."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from settled.runner.base import Call, Function
from settled.runner.context import Context
from settled.runner.coroutine import CoroutineIsolation
from settled.runner.outcome import Outcome

TURNS = 100_000
"""Steps of Python in which what was raised in another thread would have come."""


def in_the_main_thread(play: Callable[[], None]) -> None:
    play()


def in_a_thread(play: Callable[[], None]) -> None:
    thread = threading.Thread(target=play)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()


async def one() -> int:
    return 1


def make_call(function: Callable[..., Any]) -> Call:
    return Call(Function(function, "one", None, 1_000), [], {}, Context("a", 1, 1, 0.0, lambda *_: None), "a")


@pytest.mark.parametrize("run", [in_the_main_thread, in_a_thread])
def test_one_that_has_just_ended_is_not_broken_off_while_its_place_is_freed(run: Callable[..., None]) -> None:
    freed: list[Outcome] = []

    async def play() -> None:
        over = asyncio.Event()
        with closing(CoroutineIsolation()) as isolation:

            def ended(outcome: Outcome) -> None:
                watchdog = threading.Thread(target=work.interrupt)
                watchdog.start()
                watchdog.join()
                for _ in range(TURNS):
                    pass
                freed.append(outcome)
                over.set()

            work = isolation.start(make_call(one), ended)
            await asyncio.wait_for(over.wait(), 10)

    run(lambda: asyncio.run(play()))
    assert [outcome.result_data for outcome in freed] == ["1"]


@pytest.mark.parametrize("first_to_end", [0, 1])
def test_of_two_engines_in_one_process_either_may_end_first(first_to_end: int) -> None:
    before = signal.getsignal(signal.SIGURG)

    async def play() -> Outcome:
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        engines = [CoroutineIsolation(), CoroutineIsolation()]
        for engine in engines:
            engine.start(make_call(one), lambda outcome: None)
        await asyncio.sleep(0)
        engines.pop(first_to_end).close()
        with closing(engines[0]):
            hog = engines[0].start(make_call(holds), outcome.set_result)
            breaking.append(hog.interrupt)
            return await outcome

    async def holds() -> None:
        threading.Thread(target=breaking[0]).start()
        time.sleep(20)  # noqa: ASYNC251  it holds the loop

    breaking: list[Callable[[], None]] = []
    begun = time.monotonic()
    assert asyncio.run(play()).error_type == "Broken"
    assert time.monotonic() - begun < 10
    assert signal.getsignal(signal.SIGURG) == before


def test_one_is_broken_off_though_the_application_has_taken_the_signal_since() -> None:
    async def play() -> Outcome:
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        with closing(CoroutineIsolation()) as isolation:
            hog = isolation.start(make_call(holds), outcome.set_result)
            breaking.append(hog.interrupt)
            signal.signal(signal.SIGURG, signal.SIG_IGN)
            return await outcome

    async def holds() -> None:
        threading.Thread(target=breaking[0]).start()
        until = time.monotonic() + 20
        while time.monotonic() < until:
            pass

    breaking: list[Callable[[], None]] = []
    begun, before = time.monotonic(), signal.getsignal(signal.SIGURG)
    try:
        assert asyncio.run(play()).error_type == "Broken"
        assert time.monotonic() - begun < 10
    finally:
        signal.signal(signal.SIGURG, before)
