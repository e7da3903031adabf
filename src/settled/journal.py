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
        self._name: str | None = None  # of the file, while there is one
        self._kept: set[tuple[str, int]] = set()
        self._failed = False
        self._passed: set[Path] = set()  # what cannot be read or deleted: said once, not at every sweep

    def keep(self, verdicts: Sequence[Verdict]) -> None:
        """Add verdicts, on the disk when this returns; what is kept already is not added again.

        A disk that cannot be written is logged once: the process has them in its memory all the same.
        """
        new = [verdict for verdict in verdicts if (verdict.id, verdict.attempt) not in self._kept]
        if not new:
            return
        folder = self._folder_of()
        lines = "".join(f"{_line(verdict)}\n" for verdict in new)
        try:
            if self._name is None:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                # Named now: a process that was forked after the ledger was made has a journal of its own.
                name = f"journal-{os.getpid()}-{os.urandom(8).hex()}"
                LockFolder(folder).hold(name)
                self._name = name
            # What failed may have left half a line, as on a full disk.
            _append(folder / f"{self._name}.jsonl", (("\n" if self._failed else "") + lines).encode())
        except OSError as error:
            if not self._failed:
                log.warning("Outcomes are kept in memory only, the journal in %s fails: %s", folder, error)
            self._failed = True
        else:
            self._failed = False
            self._kept.update((verdict.id, verdict.attempt) for verdict in new)

    def forget(self) -> None:
        """Drop what this process kept: the ledger has it."""
        if self._name is None:
            return
        file = self._folder_of() / f"{self._name}.jsonl"
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            log.warning("The journal %s is done with and cannot be deleted: %s. Delete it.", file, error)
        self.leave()

    def leave(self) -> None:
        """Leave what is kept to whoever opens or sweeps the ledger next, as this process's death would."""
        name, self._name = self._name, None
        self._kept.clear()
        if name is not None:
            LockFolder(self._folder_of()).release(name)

    def adopt(self, write: Callable[[Sequence[Verdict]], object]) -> None:
        """Hand over what dead processes left, a file at a time, which is deleted when ``write`` has returned.

        It stays when that raises, which goes on to the caller. A file that cannot be read or deleted is passed over.
        """
        folder = self._folder_of()
        locks = LockFolder(folder)
        for path in sorted(set(folder.glob("journal-*.jsonl")) - self._passed):
            try:
                locks.hold(path.stem)
            except OSError:
                continue  # its process lives, or another one adopts it just now
            try:
                write(_read(path))
                path.unlink(missing_ok=True)
            except OSError as error:
                self._passed.add(path)
                log.warning("The journal %s, of a dead process, is passed over: %s. Make it writable.", path, error)
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
    for line in filter(None, lines):
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
