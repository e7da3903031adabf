"""What a reader must know to judge the figures: machine, disk, versions, date, command."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import shlex
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

PACKAGES = ("settled", "fastapi", "starlette", "pydantic", "sqlalchemy", "uvicorn", "uvloop", "httptools")


def describe(folder: Path) -> dict[str, str]:
    """The facts of this run; ``folder`` is where the databases lie."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": shlex.join(["python", "-m", "bench.speed.run", *sys.argv[1:]]),
        "commit": _commit(),
        "machine": f"{platform.system()} {platform.release()}, {_processor()}, {os.cpu_count()} cores",
        "load at the start": f"{os.getloadavg()[0]:.1f}",
        "disk": f"{_filesystem(folder)}; an fsync after 4 KiB takes {_fsync_ms(folder):.2f} ms (median)",
        "python": f"{platform.python_implementation()} {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        "packages": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
    }


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "(absent)"


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, cwd=Path(__file__).parent)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _filesystem(folder: Path) -> str:
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown file system"
    inside = [mount for mount in mounts if folder.resolve().is_relative_to(mount[1])]
    kind = max(inside, key=lambda mount: len(mount[1]))[2] if inside else "unknown"
    return f"{kind} (IN MEMORY: an fsync costs nothing here, use --dir)" if kind in ("tmpfs", "ramfs") else kind


def _fsync_ms(folder: Path) -> float:
    times = []
    path = folder / "fsync-probe"
    with path.open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(bytes(4096))
            start = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - start)
    path.unlink()
    return statistics.median(times) * 1e3
