"""Finds a Chromium of the system; run as a script it prints the path, and exits 1 where there is none."""

from __future__ import annotations

import os
import shutil
import sys

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)


def find_chromium() -> str | None:
    """Return the path of the browser named by SETTLED_CHROMIUM, else of the first one known that is installed."""
    named = os.environ.get("SETTLED_CHROMIUM")
    return next(filter(None, map(shutil.which, (named,) if named else NAMES)), None)


if __name__ == "__main__":
    print(find_chromium() or sys.exit(1))
