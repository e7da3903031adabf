"""``python -m settled.cli`` is ``settled``."""

from __future__ import annotations

import sys

from settled.cli import main

sys.exit(main())
