"""The Huey and its one task, as both processes have them."""

from __future__ import annotations

import os
from pathlib import Path

from huey import SqliteHuey

from bench.speed.sides.work import RESULT

FOLDER = "BENCH_HUEY"
huey = SqliteHuey("bench", filename=str(Path(os.environ[FOLDER]) / "huey.db"), fsync=True)


@huey.task()
def nothing(number: int) -> dict[str, object]:
    """Return the result at once."""
    return RESULT
