"""Starts an app under test in a uvicorn process of its own, on a free port of the loopback interface."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.speed.rounds import ROOT, NotMeasured

READY_WITHIN = 30.0


class Server:
    """A running app: its address and the processor time that it has used."""

    def __init__(self, process: subprocess.Popen[bytes], address: tuple[str, int]) -> None:
        self.process = process
        self.address = address

    def processor_seconds(self) -> float | None:
        """User and system time so far; ``None`` where /proc does not tell."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(app: str, folder: Path, ready: bytes, variables: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Serve ``sides.<app>`` until the block ends; it counts as ready when it has answered the request ``ready``."""
    with tempfile.TemporaryDirectory(dir=folder) as own, socket.create_server(("127.0.0.1", 0), backlog=2048) as sock:
        errors = Path(own) / "stderr"
        command = [sys.executable, "-m", "bench.speed.sides.serve", app, str(sock.fileno())]
        env = {**os.environ, "BENCH_FOLDER": own, **(variables or {})}
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                command, cwd=ROOT, env=env, pass_fds=[sock.fileno()], stdout=stderr, stderr=stderr
            )
        try:
            _wait_until_ready(process, sock.getsockname(), ready, errors)
            yield Server(process, sock.getsockname())
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(15)


def _wait_until_ready(process: subprocess.Popen[bytes], address: tuple[str, int], ready: bytes, errors: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    with socket.create_connection(address, timeout=10) as sock:
        sock.sendall(ready)
        sock.settimeout(0.1)
        while time.monotonic() < deadline:
            try:
                answer = sock.recv(4096)
            except TimeoutError:
                if process.poll() is not None:
                    break
                continue
            if not answer.startswith(b"HTTP/1.1 5"):
                return
            break
    lines = errors.read_text(errors="replace").strip().splitlines() or ["no message"]
    if "--trace" in sys.argv:
        print("\n".join(lines), file=sys.stderr)
    raise NotMeasured(f"the server did not come up: {lines[-1]}")
