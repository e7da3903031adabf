"""Real uvicorn processes on one address, which outlives them as a load balancer's does; and a page that polls it."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.crash.processes import Process, until
from tests.crash.world import World

STARTS_WITHIN = 20.0
ANSWERS_WITHIN = 20.0


class Address:
    """A listening socket of the test: what connects while no server runs waits in its queue."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.page = httpx.Client(base_url=f"http://127.0.0.1:{self._socket.getsockname()[1]}", timeout=ANSWERS_WITHIN)

    def serve(self, *options: str, **of_tasks: Any) -> Process:
        """Start a server process; it may not be ready yet."""
        command = [sys.executable, "-m", "uvicorn", "tests.crash.app:app", "--fd", str(self._socket.fileno())]
        command += ["--no-access-log", *options]
        return self._world.start(command, self._world.environment(**of_tasks), pass_fds=[self._socket.fileno()])

    def submit(self, name: str, *args: Any, **using: Any) -> str:
        """Submit as a page does; return the task's id."""
        answer = self.page.post(f"/submit/{name}", json=list(args), params=using, timeout=STARTS_WITHIN)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def poll(self, task: str) -> dict[str, Any]:
        """One poll, on a connection of its own: another process may answer the next one."""
        with httpx.Client(base_url=self.page.base_url, timeout=ANSWERS_WITHIN) as client:
            answer = client.get(f"/tasks/{task}")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def settled(self, task: str, within: float) -> dict[str, Any]:
        """Poll until it has settled."""

        def answered() -> dict[str, Any] | None:
            body = self.poll(task)
            return body if body["settled"] else None

        found: dict[str, Any] = until(answered, within, f"a page sees {task} settled")
        return found

    def close(self) -> None:
        self.page.close()
        self._socket.close()


def children(pid: int) -> list[int]:
    """The processes that a process has started and that live."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return [int(child) for child in found]
