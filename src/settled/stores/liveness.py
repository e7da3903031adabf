"""Tells at once that a process of this machine has died, by a file lock that the kernel drops with it.

Each worker holds a POSIX record lock (fcntl(2)) on a file of its own. Such a lock is not inherited
by ``fork``, so a child that outlives the worker does not keep it alive; but it is dropped when the
process closes *any* descriptor of the file, so a process never opens a file that it holds.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from threading import Lock

_held: dict[str, int] = {}  # path -> descriptor, of this whole process: two ledgers may share a file
_guard = Lock()


class LockFolder:
    """The lock files of one ledger's workers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hold(self, worker: str) -> None:
        """Create and lock this worker's file for the life of the process."""
        self._folder.mkdir(exist_ok=True)
        path = self._path(worker)
        with _guard:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _held[path] = descriptor

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
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except OSError:
                return False
            finally:
                os.close(descriptor)

    def _path(self, worker: str) -> str:
        return str(self._folder / f"{worker}.lock")
