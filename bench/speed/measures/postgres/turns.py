"""One turn of one side: a fresh database, a fresh process, and the pace at which all of them are measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.speed import postgres
from bench.speed.measures.plan import Plan
from bench.speed.rounds import Figures, side


@dataclass(frozen=True)
class Pace:
    """Seconds and rounds; ``warm`` comes before what is measured, longer where a first wave takes long."""

    warm: float
    seconds: float
    rounds: int

    @classmethod
    def of(cls, plan: Plan, in_flight: int = 1) -> Pace:
        """The pace of this run."""
        first_wave = 1.0 if in_flight >= 1_000 else 0.0
        return cls(0.5 + first_wave, 1.0, 1) if plan.quick else cls(0.7 + first_wave, 2.0, 2)


def turn(server: postgres.Server, folder: Path, module: str, pace: Pace, **asked: Any) -> Figures:
    """Run ``sides.postgres.<module>`` on a database of its own."""
    with postgres.database(server) as url:
        figures: Figures = side(
            f"postgres.{module}", folder, timeout=90, url=url, warm=pace.warm, seconds=pace.seconds, **asked
        )
        return figures
