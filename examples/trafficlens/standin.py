"""Runs the stand-in site beside the app, as a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

STARTS_WITHIN = 30.0  # seconds


@asynccontextmanager
async def stand_in(port: int) -> AsyncIterator[str]:
    """Serve the site meanwhile, and name it to the processes that read it; it ends with this one, however that ends."""
    log = os.environ.get("TRAFFIC_SITE_LOG")
    command = ["-m", "trafficlens.site", "--with-starter", "--port", str(port), *(["--log", log] if log else [])]
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    site = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    )
    try:
        assert site.stdout is not None
        said = await asyncio.wait_for(site.stdout.readline(), STARTS_WITHIN)
        url = said.decode().rpartition(" ")[2].strip()
        if not url:
            raise RuntimeError("The stand-in site did not start; what it said stands above.")
        os.environ["TRAFFIC_SOURCE"] = url
        yield url
    finally:
        os.environ.pop("TRAFFIC_SOURCE", None)
        if site.returncode is None:
            site.terminate()
        await site.wait()
