"""What the harness knows of a system in one configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

BUILD = Path(__file__).parents[2] / "build"
UVICORN = ("python", "-m", "uvicorn", "--port", "{port}", "--log-level", "warning", "--no-access-log")
MODULES = "bench.zombies.systems"


@dataclass(frozen=True)
class System:
    """One system in one configuration.

    servers   which server is the store, and which the broker where that is another one
    workers   commands; none: the web app runs the tasks itself
    packages  whose versions are printed
    settings  what was set, in words, and what the documentation says of it
    without   faults that cannot happen to it, with the reason
    notes     by fault or by group of faults: what depends on a setting, and on which
    """

    name: str
    title: str
    module: str
    servers: Mapping[str, str]
    workers: tuple[tuple[str, ...], ...] = ()
    packages: tuple[str, ...] = ()
    settings: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    setup: tuple[str, ...] = ()
    interpreter: str = "zombies"
    without: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    unknown_id: str = "00000000-0000-7000-8000-000000000000"

    @property
    def web(self) -> tuple[str, ...]:
        return (*UVICORN, f"{MODULES}.{self.module}:web")

    @property
    def python(self) -> Path | None:
        """The interpreter of the environment that it is installed in, if that is not the harness's own."""
        found = BUILD / self.interpreter / "bin" / "python"
        return found if found.exists() and "ZOMBIES_HERE" not in os.environ else None

    @property
    def ours(self) -> bool:
        return self.name.startswith("settled")
