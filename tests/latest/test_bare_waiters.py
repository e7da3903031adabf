"""Who can wait for a task can wait for a key: the bare waiters, over real HTTP, end with the truth about it."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

import settled
from settled import TryLater
from tests.latest.web import FACES, World, living
from tests.web.world import BOUND, until

WAITER = Path(settled.__file__).parent / "web/static/waiter.js"
IN_NODE = """
const { waitForTask } = await import(process.argv[1]);
const told = await Promise.all(process.argv.slice(2).map((url) => waitForTask(url)));
console.log(JSON.stringify(told.map(({ end, result, reason, message }) => [end, result, reason, message])));
"""


@asynccontextmanager
async def served(world: World) -> AsyncIterator[str]:
    """The world's app on a real port."""
    server = uvicorn.Server(uvicorn.Config(world.face(world.tasks), port=0, log_level="error", lifespan="off"))
    serving = asyncio.ensure_future(server.serve())
    await until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def browser(folder: Path, *urls: str) -> list[Any]:
    """How the browser's waiter, as it is served, ends."""
    module = shutil.copy(WAITER, folder / "waiter.mjs")
    command = ["node", "--input-type=module", "--eval", IN_NODE, "--", Path(module).as_uri(), *urls]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await asyncio.wait_for(process.communicate(), BOUND)
    found: list[Any] = json.loads(out)
    return found


async def python(_: Path, *urls: str) -> list[Any]:
    """How ``settled.wait(url)`` ends."""
    endings = await asyncio.gather(*(settled.await_(url, BOUND) for url in urls))
    return [[ending.end, ending.result, ending.reason, ending.message] for ending in endings]


@pytest.mark.parametrize("waits", [browser, python])
@pytest.mark.parametrize("face", FACES)
def test_a_bare_wait_for_a_key_ends_with_its_value_or_its_error(
    tmp_path: Path, face: str, waits: Callable[..., Awaitable[list[Any]]]
) -> None:
    if waits is browser and shutil.which("node") is None:
        pytest.skip("Node.js is missing: make test-js installs it")

    async def main() -> list[Any]:
        async with living(tmp_path, FACES[face]) as world, served(world) as url:
            await world.got("stale", {"n": 1})
            for key in ("stale", "never good"):
                await world.got(key, TryLater(30, "429"))
            keys = ("held", "stale", "never%20good", "nobody?refresh=never")
            waiting = asyncio.ensure_future(waits(tmp_path, *(f"{url}/latest/traffic/{key}" for key in keys)))
            await until(lambda: "held" in world.asked)
            world.go.set()
            return await waiting

    nothing = "Nothing is known of this key, and no refresh of it is under way."
    assert asyncio.run(main()) == [
        ["completed", {"of": "held"}, None, ""],
        ["completed", {"n": 1}, None, ""],
        ["failed", None, "exception", "429"],
        ["failed", None, "never_started", nothing],
    ]
