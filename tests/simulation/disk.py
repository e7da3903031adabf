"""A folder on the disk of a make-believe machine, for the journal: files survive a process, its locks do not."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

from tests.simulation import stand_ins


class Folder:
    """What the journal needs of ``Path``, for a folder."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.locks: dict[str, Any] = {}

    def mkdir(self, **_: object) -> None:
        pass

    def glob(self, pattern: str) -> list[File]:
        return [File(self, name) for name in self.files] if self.files else []

    def __truediv__(self, name: str) -> File:
        return File(self, name)

    def died(self, process: object) -> None:
        self.locks = {name: holder for name, holder in self.locks.items() if holder is not process}


class File:
    """And for a file in it."""

    __slots__ = ("folder", "name")

    def __init__(self, folder: Folder, name: str) -> None:
        self.folder = folder
        self.name = name

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, File) and other.name == self.name

    def __lt__(self, other: File) -> bool:
        return self.name < other.name

    @property
    def stem(self) -> str:
        return self.name.rpartition(".")[0]

    def read_bytes(self) -> bytes:
        if self.name not in self.folder.files:
            raise FileNotFoundError(self.name)
        return self.folder.files[self.name]

    def unlink(self, missing_ok: bool = False) -> None:
        self.folder.files.pop(self.name, None)


class LockFolder:
    """``stores.liveness.LockFolder``."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def hold(self, name: str) -> None:
        holder = self._folder.locks.get(name)
        if holder is not None:
            raise OSError("somebody else holds the lock")
        self._folder.locks[name] = stand_ins.world.host

    def release(self, name: str) -> None:
        self._folder.locks.pop(name, None)


def _open(path: File, flags: int, mode: int = 0) -> File:
    return path


def _write(file: File, data: bytes) -> int:
    files = file.folder.files
    files[file.name] = files.get(file.name, b"") + data
    return len(data)


JOURNAL = {
    "journal": {
        "os": SimpleNamespace(
            O_WRONLY=os.O_WRONLY, O_APPEND=os.O_APPEND, O_CREAT=os.O_CREAT, O_CLOEXEC=os.O_CLOEXEC,
            getpid=lambda: stand_ins.world.host.number, urandom=lambda n: stand_ins.world.chance.randbytes(n),
            open=_open, write=_write, fsync=lambda file: stand_ins.world.sleep(0), close=lambda file: None,
        ),
        "LockFolder": LockFolder,
    }
}  # fmt: skip
