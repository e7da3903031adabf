"""A small disk that a test can fill and empty again: a file system in memory or, without the right to mount, a shim."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.crash.preload import compiled

SIZE = 4 * 1_048_576


class MountedDisk:
    """A tmpfs of a few megabytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment: dict[str, str] = {}
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no room at all."""
        descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while os.write(descriptor, b"." * size) == size:
                        pass
                except OSError:
                    continue
        finally:
            os.close(descriptor)

    def make_room(self) -> None:
        self._ballast.unlink()

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True, timeout=20)


class ShimmedDisk:
    """Any folder; the processes that get ``environment`` find its disk full while a flag is there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._flag = folder.with_name("full")
        self.environment = compiled("full", folder.parent) | {"SETTLED_CRASH_FULL": str(self._flag)}

    def fill(self) -> None:
        self._flag.touch()

    def make_room(self) -> None:
        self._flag.unlink()

    def close(self) -> None:
        """Nothing is mounted."""


def small_disk(folder: Path) -> MountedDisk | ShimmedDisk:
    """Make one at ``folder``, which is created."""
    folder.mkdir()
    if sys.platform.startswith("linux") and os.geteuid() == 0:
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "settled-test", str(folder)]
        if subprocess.run(command, capture_output=True, timeout=20).returncode == 0:
            return MountedDisk(folder)
    return ShimmedDisk(folder)
