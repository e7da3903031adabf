"""Puts the cells of several runs into one file, of a cell measured twice the later: ``merge INTO FROM FROM…``."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from bench.zombies.faults import FAULTS
from bench.zombies.kept import impersonal, kept, written
from bench.zombies.table import SYSTEMS

WHERE = re.compile(r" --json \S+")
"""Where a part went is nobody's business."""


def merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """All runs, and of every cell the last."""
    cells: dict[str, dict[str, Any]] = {}
    systems: dict[str, Any] = {}
    for part in parts:
        systems.update(part["systems"])
        for name, of in part["cells"].items():
            cells.setdefault(name, {}).update(of)
    return {
        **parts[-1],
        "runs": [
            impersonal(run) | {"command": WHERE.sub("", run["command"])} for part in parts for run in part["runs"]
        ],
        "systems": {name: systems[name] for name in SYSTEMS if name in systems},
        "cells": {
            name: {fault: kept(cells[name][fault]) for fault in FAULTS if fault in cells[name]}
            for name in SYSTEMS
            if name in cells
        },
    }


if __name__ == "__main__":
    into, *parts = map(Path, sys.argv[1:])
    into.write_text(written(merged([json.loads(part.read_text("utf-8")) for part in parts])), "utf-8")
