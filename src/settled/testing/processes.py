"""Real processes of a stage: started with this one's path, signalled, waited for with a bound, and never left over."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

GONE_WITHIN = 10.0


class Process:
    """A Python process in a session of its own; its output goes to a file, and it ends with this one."""

    def __init__(self, main: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        module, _, name = main.partition(":")
        code = f"import sys; sys.path[:] = {sys.path!r}; from {module} import {name}; {name}()"
        with log.open("ab") as file:
            self._popen = subprocess.Popen(
                [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=file, stderr=file,
                start_new_session=True, env=os.environ | dict(environment),
            )  # fmt: skip
        self.pid = self._popen.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._popen.poll() is None

    def send(self, number: signal.Signals) -> None:
        """To this process alone; nothing happens once it has ended."""
        self._popen.send_signal(number)

    def send_all(self, number: signal.Signals) -> None:
        """To its group, and to the groups of its children, which are the tasks' own processes."""
        for pid in [self.pid, *children_of(self.pid)]:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, number)

    def ended(self, within: float) -> bool:
        """Wait for its end, for so long; whether it has ended."""
        try:
            self._popen.wait(timeout=within)
        except subprocess.TimeoutExpired:
            return False
        return True

    def close(self) -> None:
        """Make sure that it is gone, with its children."""
        self.send_all(signal.SIGKILL)
        self._popen.wait(timeout=GONE_WITHIN)
        if self._popen.stdin is not None:
            self._popen.stdin.close()

    def said(self, most: int = 4_000) -> str:
        """The end of what it has written."""
        return self.log.read_text("utf-8", "replace")[-most:].strip()


def children_of(pid: int) -> list[int]:
    """The processes that a living process has started and that live."""
    if sys.platform != "linux":
        found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, timeout=10, check=False)
        return [int(child) for child in found.stdout.split()]
    found_here: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found_here += [int(child) for child in task.read_text("ascii").split()]
    return found_here
