"""The brokers that tests use: one that is named, the one on the usual port, or one of the tests' own.

``python -m tests.brokers`` says which programs are missing, by their Debian packages, and exits 1.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.ports import free_port

STARTS_WITHIN = 60.0


class OwnServer:
    """A server process on a free port of this machine, with its files in a folder of its own; nothing outlives it."""

    def __init__(self, command: list[str], environment: dict[str, str], port: int, folder: str) -> None:
        self._command = command
        self._environment = environment
        self.port = port
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; return when it takes connections."""
        with open(Path(self.folder) / "log", "ab") as log:
            self._process = subprocess.Popen(
                self._command, env=os.environ | self._environment, cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + STARTS_WITHIN
        while not answers(self.port):
            assert self._process.poll() is None, f"{self._command[0]} does not start: {self.log()}"
            assert time.monotonic() < end, f"{self._command[0]} does not answer: {self.log()}"
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it, as a power cut does."""
        if self._process is not None:
            with suppress(ProcessLookupError):  # it could not start
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=10)
            self._process = None
            end = time.monotonic() + 10
            while answers(self.port) and time.monotonic() < end:  # its children go a little later
                time.sleep(0.02)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        return (Path(self.folder) / "log").read_text("utf-8", "replace")[-2000:]


def own_redis() -> OwnServer:
    """A Redis that keeps nothing, not yet started."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server is installed")
    port, folder = free_port(), tempfile.mkdtemp(prefix="settled-redis-")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    return OwnServer(command, {}, port, folder)


def own_rabbitmq() -> OwnServer:
    """A RabbitMQ of one node, not yet started."""
    program = next(
        (found for found in ("/usr/lib/rabbitmq/bin/rabbitmq-server", shutil.which("rabbitmq-server")) if found and
         Path(found).exists()),
        None,
    )  # fmt: skip
    if program is None:
        pytest.skip("no rabbitmq-server is installed")
    port, folder = free_port(), tempfile.mkdtemp(prefix="settled-rabbitmq-")
    (Path(folder) / "rabbitmq.conf").write_text(f"listeners.tcp.default = 127.0.0.1:{port}\n", "ascii")
    environment = {
        "HOME": folder, "RABBITMQ_NODENAME": f"settled-{port}@localhost", "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
        "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia", "RABBITMQ_LOG_BASE": f"{folder}/logs",
        "RABBITMQ_PID_FILE": f"{folder}/pid", "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
        "RABBITMQ_CONF_ENV_FILE": f"{folder}/none",
    }  # fmt: skip
    return OwnServer([program], environment, port, folder)


@cache
def redis_url() -> str:
    """A Redis for this run of the tests; what is made there must have names of its own."""
    return _url("SETTLED_TEST_REDIS", 6379, "redis://127.0.0.1:{}/0", own_redis)


@cache
def rabbitmq_url() -> str:
    """A RabbitMQ, likewise."""
    return _url("SETTLED_TEST_RABBITMQ", 5672, "amqp://guest:guest@127.0.0.1:{}//", own_rabbitmq)


def _url(variable: str, port: int, usual: str, own: object) -> str:
    named = os.environ.get(variable)
    if named:
        return named
    if answers(port):
        return usual.format(port)
    server = own()  # type: ignore[operator]
    server.start()
    atexit.register(server.close)
    return usual.format(server.port)


def address_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or {"amqp": 5672, "redis": 6379}[parts.scheme]


def answers(port: int) -> bool:
    """Whether something on this machine takes connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def missing() -> list[str]:
    """The Debian packages of what is neither named, nor running, nor installed."""
    wanted = (
        ("SETTLED_TEST_REDIS", 6379, "redis-server", shutil.which("redis-server")),
        ("SETTLED_TEST_RABBITMQ", 5672, "rabbitmq-server", shutil.which("rabbitmq-server")),
    )
    return [
        package for variable, port, package, program in wanted
        if not (os.environ.get(variable) or answers(port) or program)
    ]  # fmt: skip


if __name__ == "__main__":
    packages = missing()
    print(*packages)
    sys.exit(1 if packages else 0)
