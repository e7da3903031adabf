"""Real sessions with the command line, for docs/cli.md: what was typed and what it said."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import settled
from settled import Task, Tasks

NAMES = ("worker", "ls", "show", "ls-json", "wait", "cancel", "retry", "sweep", "prune", "doctor", "unknown")
BOUND = 30
APP = """
import asyncio

from settled import Context, Tasks

tasks = Tasks("sqlite:///tasks.db", drain=0, embedded=False)


@tasks.task(timeout=60, attempts=2)
async def scrape(url: str, context: Context) -> dict:
    context.progress(0.4, "12 of 30 pages")
    if url.endswith(".net"):
        await asyncio.Event().wait()
    return {"url": url, "pages": 30}


@tasks.task
def convert(path: str) -> None:
    raise ValueError(f"{path} is no picture")
"""


def session(name: str) -> str:
    """A command or a few, and what they said, as a fenced block; an exit status other than 0 is shown."""
    return f"```console\n{_sessions()[name]}```\n"


@cache
def _sessions() -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        return _Scenes(Path(folder)).play()


class _Scenes:
    """An application's folder, with a worker and a task of every kind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "app.py").write_text(APP, "utf-8")
        self.tasks = Tasks(f"sqlite:///{folder / 'tasks.db'}", embedded=False)
        self.tasks.task(name="scrape", timeout=60, attempts=2)(lambda url: None)
        self.tasks.task(name="convert")(lambda path: None)
        self.environment = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
        self.environment |= {"NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}

    def play(self) -> dict[str, str]:
        worker = self._start("worker", "app:tasks")
        try:
            failed = self._settled(self._submit("convert", "notes.txt"))
            done = self._settled(self._submit("scrape", "https://example.org"))
            open_ = self._in_progress(self._submit("scrape", "https://example.net"))
            told = self._type_all(failed.id, done.id, open_.id)
        finally:
            worker.send_signal(signal.SIGTERM)
            out, _ = worker.communicate(timeout=BOUND)
            self.tasks.stop()
        return {"worker": f"$ settled worker app:tasks\n{out}", **told}

    def _type_all(self, failed: str, done: str, open_: str) -> dict[str, str]:
        told = {
            "ls": self._type("ls"),
            "show": self._type(f"show {failed}"),
            "ls-json": self._type("ls --status completed --json"),
            "wait": self._type(f"wait {done}") + self._type(f"wait {failed}") + self._type(f"wait {open_} --timeout 1"),
            "cancel": self._type(f"cancel {open_} {done}"),
            "retry": self._type(f"retry {failed}"),
            "sweep": self._type("sweep"),
            "prune": self._type("prune --older-than 30d"),
            "unknown": self._type("show 01931f6e-7c00-7cc3-98c4-dc0c0c07398f") + self._type("show 42"),
        }
        return {**told, "doctor": self._type("doctor")}

    def _type(self, command: str) -> str:
        process = self._start(*command.split())
        out, _ = process.communicate(timeout=BOUND)
        ours = os.path.dirname(settled.__file__)
        out = out.replace(str(self.folder), "/srv/app").replace(ours, "…/settled")
        out = out.replace(f" on {socket.gethostname()}", " on web-1")
        exit_status = f"(exit status {process.returncode})\n" if process.returncode else ""
        return f"$ settled {command}\n{out}{exit_status}"

    def _start(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "settled.cli", *command], cwd=self.folder, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def _submit(self, name: str, argument: str) -> Task:
        """Submit to the worker, as the application would."""
        return self.tasks.submit(name, argument)

    def _settled(self, task: Task) -> Task:
        task.wait(BOUND)
        return task

    def _in_progress(self, task: Task) -> Task:
        ear = self.tasks.ledger.bell.listen(task.id)
        try:
            while task.refresh().progress is None:
                ear.wait(0.1)
                assert not task.snapshot.settled
        finally:
            self.tasks.ledger.bell.stop(ear)
        return task
