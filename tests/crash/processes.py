"""Real processes, started, asked, signalled and waited for; every wait has a bound."""

from __future__ import annotations

import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STARTS_WITHIN = 20.0
ANSWERS_WITHIN = 30.0


def until(condition: Callable[[], Any], within: float, what: str) -> Any:
    """Return the first true answer of ``condition``; fail after so many seconds.

    It looks once more after that: what has come true while this process stood still has come true in time.
    """
    began = time.monotonic()
    while True:
        waited = time.monotonic() - began
        over = waited >= within
        answer = condition()
        if answer:
            return answer
        assert not over, f"not within {within:g} s: {what}"
        time.sleep(min(0.05, 0.01 + waited / 20))  # a look costs: what is long in coming is looked for less often


class Process:
    """A child of the test, ended with it at the latest."""

    def __init__(
        self, command: Sequence[str], environment: dict[str, str], log: Path, pass_fds: Sequence[int] = ()
    ) -> None:
        self.log = log
        python_path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)]))
        with open(log, "ab") as file:
            self._popen = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, start_new_session=True,
                env=os.environ | {"PYTHONPATH": python_path} | environment, pass_fds=pass_fds,
            )  # fmt: skip
        self.pid = self._popen.pid

    def signal(self, number: signal.Signals) -> float:
        """Send a signal; return the instant of the fault."""
        instant = time.monotonic()
        self._popen.send_signal(number)
        return instant

    def kill(self) -> float:
        """SIGKILL, and see it dead; return the instant of the fault."""
        instant = self.signal(signal.SIGKILL)
        self._popen.wait(timeout=10)
        return instant

    def has_stopped(self) -> None:
        """Wait until a SIGSTOP has come to all of its threads."""
        if hasattr(os, "waitid"):  # not on every system; a stop takes no longer than what comes next
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    def ended(self, within: float) -> int:
        """Wait for the end; return the exit status."""
        return self._popen.wait(timeout=within)

    def heard(self, within: float) -> bytes:
        """Wait for its first words on the standard output."""
        assert self._popen.stdout is not None
        ready, _, _ = select.select([self._popen.stdout], [], [], within)
        assert ready, f"process {self.pid} has said nothing for {within:g} s"
        return os.read(self._popen.stdout.fileno(), 4096)

    def let_go(self) -> float:
        """Close its standard input, on which such a script waits; return the instant."""
        assert self._popen.stdin is not None
        self._popen.stdin.close()
        return time.monotonic()

    def close(self) -> None:
        """Make sure that it is gone, and whatever it has started in its group."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # the usual case
        self._popen.wait(timeout=10)
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    pass  # it died with an order unread


class Host(Process):
    """A ``host.py``, ready when made."""

    def __init__(
        self, environment: dict[str, str], log: Path, *, wait: bool = True, prefix: Sequence[str] = ()
    ) -> None:
        super().__init__([*prefix, sys.executable, "-m", "tests.crash.host"], environment, log)
        self._answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._closing = False
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.worker = ""
        if wait:
            self.ready()

    def ready(self, within: float = STARTS_WITHIN) -> float:
        """Wait until it serves; return that instant."""
        answer = self._answer(within)
        assert "ready" in answer, f"the process did not start: {answer}"
        self.worker = answer["ready"]
        return time.monotonic()

    def submit(self, name: str, *args: Any, **using: Any) -> str:
        """Submit a task in that process; return its id."""
        answer = self.try_submit(name, *args, **using)
        assert "id" in answer, f"the submit was refused: {answer}"
        return str(answer["id"])

    def try_submit(self, name: str, *args: Any, **using: Any) -> dict[str, Any]:
        """Submit; return ``id`` or ``error`` and ``message``, and how long it ``took``."""
        return self.ask(do="submit", name=name, args=args, using=using)

    def submit_and_die(self, name: str, *args: Any, **using: Any) -> str:
        """Submit; it kills itself as soon as the submit has returned."""
        task_id = str(self.ask(do="submit", name=name, args=args, using=using, then_die=True)["id"])
        self.ended(within=5)
        return task_id

    def look(self, task_id: str) -> dict[str, Any]:
        """What that process answers to whoever asks it for a task."""
        return self.ask(do="look", task_id=task_id)

    def ask(self, **order: Any) -> dict[str, Any]:
        self.order(**order)
        return self._answer(ANSWERS_WITHIN)

    def order(self, **order: Any) -> None:
        """Tell it what to do, without waiting for the answer."""
        assert self._popen.stdin is not None
        self._popen.stdin.write(json.dumps(order).encode() + b"\n")
        self._popen.stdin.flush()

    def close(self) -> None:
        if self.alive:
            self.kill()
        self._closing = True
        self._listener.join(timeout=5)
        super().close()

    def _answer(self, within: float) -> dict[str, Any]:
        try:
            return self._answers.get(timeout=within)
        except queue.Empty:
            raise AssertionError(f"process {self.pid} has not answered for {within:g} s") from None

    def _listen(self) -> None:
        assert self._popen.stdout is not None
        descriptor, heard = self._popen.stdout.fileno(), b""
        while not self._closing:  # a child that outlives the process keeps the pipe open
            if select.select([descriptor], [], [], 0.2)[0]:
                data = os.read(descriptor, 1 << 16)
                if not data:
                    break
                *lines, heard = (heard + data).split(b"\n")
                for line in lines:
                    self._answers.put(json.loads(line))
        self._answers.put({"error": "the process has ended"})
