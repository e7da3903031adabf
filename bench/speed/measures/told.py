"""How long after the end of a task its page knows: from the function's last statement to the answer in the client."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path

from bench.speed import http_load, server
from bench.speed.measures.plan import Plan
from bench.speed.rounds import Comparison, Figures, NotMeasured, alternate

SUBMIT = http_load.request("POST", "/stamped")
PAGES = 20
USUAL_PAUSE = 0.5
USUAL = f"as people write it, asked every {USUAL_PAUSE:g} s"
OURS, OURS_LONG_POLL = "settled, asked when it says so", "settled, long poll"


def told(plan: Plan) -> Comparison:
    """Milliseconds, with twenty pages that wait."""
    sides = {
        USUAL: partial(_told, "usual_app", plan.folder, plan.http_seconds, USUAL_PAUSE, ()),
        OURS: partial(_told, "ours_app", plan.folder, plan.http_seconds, None, ()),
        OURS_LONG_POLL: partial(_told, "ours_app", plan.folder, plan.http_seconds, 0.0, ("Prefer: wait=10",)),
    }
    return alternate(sides, plan.slow_rounds)


def _told(app: str, folder: Path, seconds: float, pause: float | None, prefer: tuple[str, ...]) -> Figures:
    late: list[float] = []
    with server.serving(app, folder, SUBMIT) as running:
        visitors = [_visitor(late, pause, prefer) for _ in range(PAGES)]
        http_load.drive(running.address, visitors, max(3.0, seconds))
    if not late:
        raise NotMeasured("no task ended in time")
    late.sort()
    return {"told_p50_ms": late[len(late) // 2] * 1e3, "told_p99_ms": late[int(len(late) * 0.99)] * 1e3}


def _visitor(late: list[float], pause: float | None, prefer: tuple[str, ...]) -> http_load.Visitor:
    while True:
        answer = _answer((yield SUBMIT))
        poll = http_load.request("GET", f"/tasks/{answer['id']}", *prefer)
        while answer["status"] not in ("completed", "failed"):
            wait = answer["retry_after"] if pause is None else pause
            if wait:
                yield wait
            answer = _answer((yield poll))
        late.append(time.clock_gettime(time.CLOCK_MONOTONIC) - answer["result"]["ended"])


def _answer(sent: tuple[int, bytes] | None) -> dict[str, object]:
    assert sent is not None
    status, body = sent
    if status not in (200, 202):
        raise NotMeasured(f"answered {status}: {body[:120]!r}")
    found: dict[str, object] = json.loads(body)
    return found
