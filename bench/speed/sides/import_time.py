"""How long the imports take, in a fresh process."""

from __future__ import annotations

import importlib
import json
import sys
import time

if __name__ == "__main__":
    start = time.perf_counter()
    for name in json.loads(sys.argv[1])["modules"]:
        importlib.import_module(name)
    print(json.dumps({"ms": (time.perf_counter() - start) * 1e3}))
