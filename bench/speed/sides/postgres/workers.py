"""A worker of a task queue in a process of its own, beside the process that submits and waits."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from bench.speed.rounds import ROOT

ENDS_WITHIN = 5.0


@contextmanager
def worker(command: Sequence[str], folder: str, variables: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run it for as long as the block lasts; what it says is in ``worker.log`` of the folder, its end if that fails."""
    path = f"{folder}/worker.log"
    with open(path, "wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **(variables or {})}, stdout=log, stderr=log)
    try:
        yield
    except BaseException as error:
        with open(path, encoding="utf-8", errors="replace") as log:
            said = log.read().strip().splitlines() or ["nothing"]
        raise RuntimeError(f"{type(error).__name__}: {error}; its worker said: {said[-1]}") from error
    finally:
        process.terminate()
        try:
            process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(ENDS_WITHIN)
