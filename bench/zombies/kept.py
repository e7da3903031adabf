"""What is kept of a run: without the paths of this machine, short where nothing went wrong, a cell on each line."""

from __future__ import annotations

import json
import platform
import sys
import tempfile
from typing import Any

from bench.zombies.grading import SETTLED
from bench.zombies.processes import ROOT

OWN = (
    (str(ROOT), "…"),
    (sys.base_prefix, "…python"),
    (tempfile.gettempdir(), "…tmp"),
    (platform.release(), platform.release().partition("-")[0]),
    (f"@{platform.node()}", "@host"),
)
"""What is this machine's, and what stands for it."""
SHORT_LOG = 500
"""Characters of the log of a cell that settled."""


def kept(record: dict[str, Any]) -> dict[str, Any]:
    """The record of a cell as it goes into the file."""
    if record["grade"] == SETTLED:
        record = {**record, "log": end_of(record.get("log", ""), SHORT_LOG)}
    cleaned: dict[str, Any] = impersonal(record)
    return cleaned


def end_of(log: str, most: int) -> str:
    """The last lines that fit into so many characters."""
    return log if len(log) <= most else log[-most:].partition("\n")[2]


def impersonal(value: Any) -> Any:
    """The same without the paths of this machine."""
    if isinstance(value, str):
        for own, name in OWN:
            value = value.replace(own, name)
        return value
    if isinstance(value, dict):
        return {key: impersonal(inner) for key, inner in value.items()}
    return [impersonal(inner) for inner in value] if isinstance(value, list) else value


def written(results: dict[str, Any]) -> str:
    """The whole file as JSON, so that a cell that changed is a line that changed."""
    parts = []
    for name, value in results.items():
        if name == "cells":
            systems = [
                f"{json.dumps(system)}: {{\n"
                + ",\n".join(f"{json.dumps(f)}: {json.dumps(c)}" for f, c in of.items())
                + "}"
                for system, of in value.items()
            ]
            parts.append('"cells": {\n' + ",\n".join(systems) + "}")
        else:
            parts.append(f"{json.dumps(name)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"
