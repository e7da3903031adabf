"""``python -m settled.cli`` is ``settled``."""

from __future__ import annotations

import sys

from settled.cli import main

if __name__ == "__main__":
    sys.exit(main())
