"""``python -m bench.zombies.systems MODULE``: has a system lay out what it needs in a new store."""

from __future__ import annotations

import asyncio
import importlib
import sys

if __name__ == "__main__":
    asyncio.run(importlib.import_module(f"bench.zombies.systems.{sys.argv[1]}").prepare())
