"""How much a waiting page costs, and how soon it is told: python -m bench.pages.run [--rounds 5] [--loop uvloop]

One server process, so many open streams on one task, beside a bare stream server in the same run. KiB for each page
is the growth of the server's resident memory; "told" is from the commit of the terminal write to the page's socket,
the median over the rounds, with its range for the p99; "commit" is what the write took before that; "ended" is from
SIGTERM, with all streams open again, to the end of the process. "across" is `settled.web.asgi` on PostgreSQL, where
another process makes the terminal write (see ``bench/speed/postgres.py``).
"""

from __future__ import annotations

import argparse
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from urllib.request import Request, urlopen

from bench.speed.postgres import database, find

BOUND = 120.0  # seconds


class Side:
    """One server, and the pages that wait at it."""

    def __init__(self, name: str, ledger: str = "") -> None:
        self.ledger = ledger
        self.writer: subprocess.Popen[str] | None = None
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=8192)
        self.port = self.listener.getsockname()[1]
        fd = str(self.listener.fileno())
        command = [sys.executable, "-m", "bench.pages.server", name, fd]
        environment = {**os.environ, "PAGES_LEDGER": ledger}
        self.process = subprocess.Popen(command, pass_fds=[self.listener.fileno()], env=environment)
        self.begin()

    def begin(self) -> None:
        """A new task, which runs; in a process of its own, if the ledger can be shared."""
        self.path = self.post("/task?here=false" if self.ledger else "/task")
        if self.ledger:
            task_id = self.path.split("/")[-2]
            command = [sys.executable, "-m", "bench.pages.writer", self.ledger, task_id]
            self.writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert self.writer.stdout is not None
            assert self.writer.stdout.readline() == "it runs\n"

    def settle(self) -> subprocess.Popen[str]:
        """Begin the terminal write; what it prints is when."""
        if not self.ledger:
            script = (
                f"from urllib.request import *;print(urlopen(Request('http://127.0.0.1:{self.port}/settle',"
                f"method='POST'),timeout={BOUND}).read().decode())"
            )
            return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert self.writer is not None
        assert self.writer.stdin is not None
        self.writer.stdin.write("now\n")
        self.writer.stdin.flush()
        return self.writer

    def post(self, path: str) -> str:
        request = Request(f"http://127.0.0.1:{self.port}{path}", method="POST")
        with urlopen(request, timeout=BOUND) as answer:
            return str(answer.read().decode())

    def resident(self) -> int:
        """Bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def open(self, count: int) -> list[socket.socket]:
        """So many streams, each of which has had its first event."""
        ask = f"GET {self.path} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n".encode()
        streams = []
        for begun in range(0, count, 100):
            some = []
            for _ in range(min(100, count - begun)):
                sock = socket.create_connection(("127.0.0.1", self.port), timeout=BOUND)
                sock.sendall(ask)
                some.append(sock)
            for sock in some:
                seen = b""
                while b"data:" not in seen:
                    seen += sock.recv(65_536)
                sock.setblocking(False)
            streams += some
        return streams

    def close(self) -> None:
        for process in filter(None, (self.process, self.writer)):
            process.kill()
            process.wait()
        self.listener.close()


def told(streams: list[socket.socket]) -> list[float]:
    """When each stream brought the last word, by the monotonic clock of this machine."""
    selector = selectors.DefaultSelector()
    for sock in streams:
        selector.register(sock, selectors.EVENT_READ)
    times: list[float] = []
    until = time.monotonic() + BOUND
    while len(times) < len(streams) and time.monotonic() < until:
        for key, _ in selector.select(1.0):
            data = key.fileobj.recv(65_536)  # type: ignore[union-attr]
            if b'"settled":true' in data or not data:
                times.append(time.monotonic())
                selector.unregister(key.fileobj)
    selector.close()
    return times


def measure(name: str, count: int, ledger: str = "") -> dict[str, float]:
    side = Side("asgi" if ledger else name, ledger)
    try:
        for sock in side.open(100):  # what is needed once only
            sock.close()
        before = side.resident()
        streams = side.open(count)
        each = (side.resident() - before) / count / 1024
        asked = side.settle()
        times = sorted(told(streams))
        began, committed = map(float, asked.communicate(timeout=BOUND)[0].split())
        for sock in streams:
            sock.close()
        p = {q: times[min(len(times) - 1, int(len(times) * q / 100))] - committed for q in (50, 99)}
        ended = 0.0
        if name != "bare":
            side.begin()
            streams = side.open(count)
            at = time.monotonic()
            side.process.send_signal(signal.SIGTERM)
            side.process.wait(BOUND)
            ended = time.monotonic() - at
        milliseconds = {"commit": committed - began, "p50": p[50], "p99": p[99]}
        return {"kib": each, "told": len(times), "ended": ended, **{k: s * 1000 for k, s in milliseconds.items()}}
    finally:
        side.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio", help="the servers' event loop")
    asked = parser.parse_args()
    os.environ["PAGES_LOOP"] = asked.loop
    count = asked.pages
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 200
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    sides = ("bare", "asgi", "fastapi", "across")
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for _ in range(asked.rounds):  # side by side, so that what else the machine does meets all
        for name in sides:
            with database(find()) if name == "across" else nullcontext("") as ledger:
                rounds[name].append(measure(name, count, ledger))
    print(
        "| server | pages | KiB each | told | commit, ms | p50, ms | p99, ms (range) | ended, s |\n"
        + "| --- " * 8
        + "|"
    )
    for name, found in rounds.items():
        mid = {key: median(one[key] for one in found) for key in found[0]}
        least, most = (pick(one["p99"] for one in found) for pick in (min, max))
        ended = f"{mid['ended']:.1f}" if mid["ended"] else "–"
        told_all = min(one["told"] for one in found)
        print(
            f"| {name} | {count:,} | {mid['kib']:.1f} | {told_all:,.0f} | {mid['commit']:.1f} | {mid['p50']:.0f} "
            f"| {mid['p99']:.0f} ({least:.0f} to {most:.0f}) | {ended} |"
        )


if __name__ == "__main__":
    main()
