"""An application as a user would write it, with tasks in every isolation."""

from __future__ import annotations

import asyncio
import time

from settled import Tasks

tasks = Tasks("sqlite:///shop-of-the-tests.db", drain=0.5, lease=3.0)

LIMITS = {"timeout": 20.0, "backoff": 0.05}


@tasks.task(**LIMITS)
async def order(number: int) -> int:
    """Awaits in the middle."""
    price = number * 2
    await asyncio.sleep(0.01)
    return price


@tasks.task(**LIMITS)
def order_in_a_thread(number: int) -> int:
    price = number * 2
    time.sleep(0.01)
    return price


@tasks.task(isolation="process", kill_grace=0.1, **LIMITS)
def order_in_a_process(number: int) -> int:
    price = number * 2
    time.sleep(0.01)
    return price


@tasks.task(isolation="process", kill_grace=0.1, memory_limit=150_000_000, **LIMITS)
async def order_in_a_small_process(number: int) -> int:
    price = number * 2
    await asyncio.sleep(0.01)
    return price


def price(ticker: str) -> int:
    return len(ticker)


hasty = Tasks("sqlite:///shop-of-the-tests.db", drain=0.5, lease=0.5)


@hasty.task(timeout=1.5)
def order_in_haste(number: int) -> int:
    return number * 2
