"""Many worker processes, forked from one that has imported everything, so that a hundred are started in seconds."""

from __future__ import annotations

import asyncio
import os
import sys

from tests.crash.functions import build_here


async def work() -> None:
    async with build_here().working():
        await asyncio.Event().wait()  # until the test kills the whole family


def main(count: int) -> None:
    for _ in range(count):
        if os.fork() == 0:
            asyncio.run(work())
            os._exit(1)
    os.wait()


if __name__ == "__main__":
    main(int(sys.argv[1]))
