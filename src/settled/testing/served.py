"""A server process of a stage, to be killed and started again under the same address."""

from __future__ import annotations

import importlib.util
import signal
import socket
import time
from pathlib import Path

from settled.errors import BadInput
from settled.testing.play import Play
from settled.testing.processes import Process

ANSWERS_WITHIN = 60.0
ENDS_WITHIN = 20.0
LOOK_EVERY = 0.05


class Server:
    """The user's application, served; ``url`` is its address, without the last slash."""

    def __init__(self, play: Play, log: Path) -> None:
        if importlib.util.find_spec("uvicorn") is None:
            raise BadInput("A stage serves an application with uvicorn, which is not installed: pip install uvicorn")
        self._play = play
        self._log = log
        self._port = _free_port()
        self._process: Process | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it; return when it takes connections."""
        self._process = Process("settled.testing.server:main", [str(self._port)], self._play.environment(), self._log)
        end = time.monotonic() + ANSWERS_WITHIN
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError as error:
                if not self._process.alive or time.monotonic() > end:
                    raise AssertionError(f"{self._play.app} does not answer ({error}). It said:\n{self.log}") from None
                self._process.ended(LOOK_EVERY)
            else:
                return

    def kill(self) -> None:
        """SIGKILL, and see it dead."""
        if self._process is not None:
            self._process.close()

    def end(self) -> None:
        """SIGTERM, as in a deploy; killed if it has not ended after 20 s."""
        if self._process is not None:
            self._process.send(signal.SIGTERM)
            self._process.ended(ENDS_WITHIN)
            self._process.close()

    def restart(self) -> None:
        """Start it again, under the same address; told to end before, if it lives."""
        self.end()
        self.start()

    def close(self) -> None:
        """Kill it if it lives."""
        self.kill()

    @property
    def log(self) -> str:
        """The end of what it has written."""
        return "" if self._process is None else self._process.said()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
