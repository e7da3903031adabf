"""Shims in C that a test puts between a process and its system: a clock that jumps, a disk that is full."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def compiled(name: str, folder: Path) -> dict[str, str]:
    """Compile a shim into a folder; return the environment that puts it before a process."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("a shim between a process and its system needs Linux and a C compiler (cc)")
    library = folder / f"{name}.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(HERE / f"{name}.c"), "-ldl"],
        check=True,
        timeout=60,
    )
    return {"LD_PRELOAD": str(library)}
