"""Tells at once that a process of this machine has died, by a file lock that the kernel drops with it.

Each worker, and each process that has the ledger open, holds a lock (flock(2)) on a file of its own. It
belongs to the open descriptor, so nothing else that its process does with the file drops it (a backup of
the folder would drop a POSIX record lock); a forked child closes its copy, so that it does not keep a dead
parent alive.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from threading import Lock

_held: dict[str, int] = {}  # path -> descriptor, of this whole process: two ledgers may share a file
_guard = Lock()
TRIES = 50
"""To lock one's own file; somebody may hold it for an instant, just to ask whether it is held."""


def _after_fork() -> None:
    """A child owns none of its parent's locks, and must see its parent die."""
    global _guard
    _guard = Lock()
    while _held:
        os.close(_held.popitem()[1])


os.register_at_fork(after_in_child=_after_fork)


class LockFolder:
    """The lock files of one ledger's workers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hold(self, worker: str) -> None:
        """Create and lock this worker's file for the life of the process."""
        self._folder.mkdir(exist_ok=True)
        path = self._path(worker)
        with _guard:
            for _ in range(TRIES):
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                if _locked(descriptor) and _names(path, descriptor):
                    _held[path] = descriptor
                    return
                os.close(descriptor)
        raise OSError(errno.EAGAIN, "somebody else holds the lock", path)

    def release(self, worker: str) -> None:
        """Drop the lock if it is ours, and delete the file."""
        path = self._path(worker)
        with _guard:
            descriptor = _held.pop(path, None)
            try:
                os.unlink(path)
            except OSError:
                pass  # another process cleans up too; what is left over does no harm
            if descriptor is not None:
                os.close(descriptor)

    def gone(self, worker: str) -> bool:
        """Whether the holder's process is dead; False without a file to ask (its lease will tell)."""
        path = self._path(worker)
        with _guard:
            if path in _held:
                return False
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except OSError:
                return False
            try:
                return _locked(descriptor)
            finally:
                os.close(descriptor)

    def others(self, prefix: str, mine: str) -> bool:
        """Whether a living process holds another file whose name begins so; clears away those of dead ones."""
        found = False
        for path in self._folder.glob(f"{prefix}*.lock"):
            if path.stem == mine:
                continue
            if self.gone(path.stem):
                self.release(path.stem)
            else:
                found = True
        return found

    def _path(self, worker: str) -> str:
        return str(self._folder / f"{worker}.lock")


def _locked(descriptor: int) -> bool:
    """Lock it, if nobody else has."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _names(path: str, descriptor: int) -> bool:
    """Whether the path still names this file: who asks may have cleared it away before it was locked."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except OSError:
        return False
