"""Keeps on this machine's disk how attempts ended, while the ledger itself cannot be written.

A process that has such verdicts to keep has one file for them, a line each, and holds a lock for as
long as it lives. When it has died with them, any other process of the machine adopts the file and
writes what it says, fenced like every late write. Once they are written the file goes.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from settled.records import Verdict
from settled.states import Reason, Status
from settled.stores.liveness import LockFolder

log = logging.getLogger("settled")


class Journal:
    """The verdicts that this process keeps in a folder, and those that dead ones have left there."""

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder_of = folder  # known once the ledger has been opened
        self._name = f"journal-{os.getpid()}-{os.urandom(8).hex()}"
        self._kept: set[tuple[str, int]] = set()
        self._failed = False

    def keep(self, verdicts: Sequence[Verdict]) -> None:
        """Add verdicts, on the disk when this returns; what is kept already is not added again.

        A disk that cannot be written is logged once: the process has them in its memory all the same.
        """
        new = [verdict for verdict in verdicts if (verdict.id, verdict.attempt) not in self._kept]
        if not new:
            return
        folder = self._folder_of()
        try:
            if not self._kept:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                LockFolder(folder).hold(self._name)
            _append(folder / f"{self._name}.jsonl", "".join(f"{_line(verdict)}\n" for verdict in new).encode())
        except OSError as error:
            if not self._failed:
                log.warning("Outcomes are kept in memory only, the journal in %s fails: %s", folder, error)
            self._failed = True
        else:
            self._failed = False
            self._kept.update((verdict.id, verdict.attempt) for verdict in new)

    def forget(self) -> None:
        """Drop what this process kept: the ledger has it."""
        if self._kept:
            self._kept.clear()
            folder = self._folder_of()
            (folder / f"{self._name}.jsonl").unlink(missing_ok=True)
            LockFolder(folder).release(self._name)

    def adopt(self, write: Callable[[Sequence[Verdict]], object]) -> None:
        """Hand over what dead processes left, a file at a time, which is deleted when ``write`` has returned.

        It stays when that raises, which goes on to the caller.
        """
        folder = self._folder_of()
        locks = LockFolder(folder)
        for path in sorted(folder.glob("journal-*.jsonl")):
            try:
                locks.hold(path.stem)
            except OSError:
                continue  # its process lives, or another one adopts it just now
            try:
                write(_read(path))
                path.unlink(missing_ok=True)
            finally:
                locks.release(path.stem)


def _append(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)  # it holds results
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _line(verdict: Verdict) -> str:
    return json.dumps(verdict._replace(row=None)._asdict())


def _read(path: Path) -> list[Verdict]:
    """The verdicts of a file, in order; a line that was cut off was never confirmed to anybody."""
    found = []
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []  # another process has just adopted it
    for line in lines:
        try:
            values: dict[str, Any] = json.loads(line)
            reason = values["reason"]
            found.append(
                Verdict(
                    **values
                    | {
                        "status": Status(values["status"]),
                        "seen": Status(values["seen"]),
                        "reason": None if reason is None else Reason(reason),
                    }
                )
            )
        except (ValueError, TypeError, KeyError) as error:
            log.warning("A line of the journal %s cannot be read, it is left out: %s", path, error)
    return found
