"""On what it was measured, and which versions of what."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from functools import cache

from bench.zombies.processes import ROOT
from bench.zombies.servers import postgres_programs
from bench.zombies.system import System

ASK = "import importlib.metadata as m, json, sys; print(json.dumps({name: m.version(name) for name in sys.argv[1:]}))"


@cache
def machine() -> dict[str, str | int]:
    """Processors, kernel, Python and the servers' versions."""
    return {
        "processors": os.cpu_count() or 0, "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(), "redis": _said("redis-server", "--version"),
        "postgres": _said(str(postgres_programs() / "postgres"), "--version"),
    }  # fmt: skip


@cache
def commit() -> str:
    """Of settled's own checkout."""
    return _said("git", "-C", str(ROOT), "describe", "--always", "--dirty")


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()[:60]
    except OSError:
        return "none"


def versions(system: System) -> dict[str, str]:
    """Of the packages that a system is made of."""
    return _versions(str(system.python or sys.executable), system.packages)


@cache
def _versions(python: str, packages: tuple[str, ...]) -> dict[str, str]:
    said = subprocess.run([python, "-c", ASK, *packages], capture_output=True, text=True, check=True).stdout
    return dict(json.loads(said))
