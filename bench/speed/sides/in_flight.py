"""Keeps N lifecycles in flight on an asyncio loop, and measures how many end and how long a submit takes."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

Submit = Callable[[int], Awaitable[Any]]
Finish = Callable[[Any], Awaitable[Any]]
WORKER_READY_WITHIN = 30.0


def asked() -> dict[str, Any]:
    """What the harness asked of this process."""
    wish: dict[str, Any] = json.loads(sys.argv[1])
    return wish


class Tally:
    """Counts the submits and the ends that fall into a window of time.

    A lifecycle is half its submit and half its end: with many in flight both come in waves, and
    a window that holds three waves of submits and two of ends has seen two and a half.
    """

    def __init__(self, warm: float, seconds: float) -> None:
        self.start = time.perf_counter() + warm
        self.end = self.start + seconds
        self.latencies: list[float] = []
        self.ends = 0
        self.processor_at_start: float | None = None

    def submitted(self, before: float, after: float) -> None:
        """Count one submit that lasted from ``before`` until ``after``."""
        if self.start <= after < self.end:
            if self.processor_at_start is None:
                self.processor_at_start = time.process_time()
            self.latencies.append(after - before)

    def ended(self, now: float) -> None:
        """Count one lifecycle that ended."""
        if self.start <= now < self.end:
            self.ends += 1

    def figures(self) -> dict[str, float]:
        """Lifecycles a second, and percentiles of the submit in milliseconds."""
        latencies = sorted(self.latencies)
        if not latencies:
            raise AssertionError("not one submit ended within the measured time")
        return {
            "per_second": (len(latencies) + self.ends) / 2 / (self.end - self.start),
            "p50_ms": latencies[len(latencies) // 2] * 1e3,
            "p99_ms": latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))] * 1e3,
        }


async def measure(submit: Submit, finish: Finish, in_flight: int, warm: float, seconds: float) -> dict[str, float]:
    """Run ``in_flight`` visitors, each in a loop of submit and wait; figures of the ``seconds`` after ``warm``.

    ``submit`` returns when the task is durable; ``finish`` returns its result and raises if there is none.
    """
    tally = Tally(warm, seconds)

    async def visitor(number: int) -> None:
        clock = time.perf_counter
        while (before := clock()) < tally.end:
            handle = await submit(number)
            tally.submitted(before, clock())
            result = await finish(handle)
            tally.ended(clock())
            if result["size"] != 48_213:
                raise AssertionError(f"a lifecycle ended without its result: {result!r}")

    visitors = [asyncio.create_task(visitor(number)) for number in range(in_flight)]
    done, late = await asyncio.wait(visitors, timeout=warm + seconds, return_when=asyncio.FIRST_EXCEPTION)
    processor = time.process_time() - (tally.processor_at_start or 0.0)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    for task in done:
        task.result()
    figures = tally.figures()
    return {**figures, "cpu_us": processor / (figures["per_second"] * seconds) * 1e6}


async def measure_with_worker(
    submit: Submit, finish: Finish, in_flight: int, warm: float, seconds: float
) -> dict[str, float]:
    """The same, once a worker in another process has carried a first lifecycle to its end."""

    async def first() -> None:
        await finish(await submit(0))

    await asyncio.wait_for(first(), WORKER_READY_WITHIN)
    return await measure(submit, finish, in_flight, warm, seconds)
