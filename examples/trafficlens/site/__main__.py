"""``python -m trafficlens.site --port 8003``: serves the stand-in until it is told to end, or its starter is gone."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from pathlib import Path

from trafficlens.site.behaviour import Manners
from trafficlens.site.server import SiteServer


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m trafficlens.site", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8003, help="0 for a free one; the address is printed")
    parser.add_argument("--log", type=Path, help="a file that gets a JSON line for each request for a domain")
    parser.add_argument("--share", type=float, default=0.0, help="of the real domains that misbehave too, 0 to 1")
    parser.add_argument("--slow", type=float, default=3.0, help="seconds that a slow page takes")
    parser.add_argument("--retry-after", type=float, default=30.0, help="seconds that a busy page asks for")
    parser.add_argument("--with-starter", action="store_true", help="end when the process that started it has ended")
    return parser.parse_args()


async def main(args: argparse.Namespace) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    manners = Manners(args.share, args.slow, args.retry_after)
    starter = os.getppid()
    async with SiteServer(manners, host=args.host, port=args.port, log=args.log) as site:
        print(f"The stand-in site: {site.url}", flush=True)
        while not told.is_set() and not (args.with_starter and os.getppid() != starter):
            try:
                await asyncio.wait_for(told.wait(), 1)
            except TimeoutError:
                pass


if __name__ == "__main__":
    asyncio.run(main(arguments()))
