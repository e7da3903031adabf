"""Task functions that submit others, beside the ledger that they are registered on."""

from __future__ import annotations

import os

from settled import Tasks

tasks = Tasks(os.environ.get("SETTLED_NESTED", "sqlite:///nested.db"), lease=5, processes=2, drain=1)


@tasks.task(timeout=30)
def who(number: int) -> list[int]:
    return [number, os.getpid()]


def submit_one(number: int) -> str:
    return who.submit(number).id


async def asubmit_one(number: int) -> str:
    return (await who.asubmit(number)).id


def submit_and_wait(number: int) -> object:
    return who.submit(number).result(20)


in_thread = tasks.task(name="in thread", timeout=30)(submit_one)
in_coroutine = tasks.task(name="in coroutine", timeout=30)(asubmit_one)
in_process = tasks.task(name="in process", timeout=30, isolation="process")(submit_one)
waiting_in_process = tasks.task(name="waiting", timeout=30, isolation="process")(submit_and_wait)
