"""Full lifecycles over HTTP: submit, then ask until it has completed; the same client for both sides."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.speed import http_load, server
from bench.speed.rounds import Figures, NotMeasured
from bench.speed.sides.in_flight import Tally

SUBMIT = http_load.request("POST", "/work?number=1")
FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.5


def lifecycles(
    app: str,
    folder: Path,
    in_flight: int,
    warm: float,
    seconds: float,
    long_poll: bool = False,
    variables: Mapping[str, str] | None = None,
) -> Figures:
    """Serve ``sides.<app>`` and keep ``in_flight`` lifecycles going on as many connections."""
    prefer = ("Prefer: wait=10",) if long_poll else ()
    with server.serving(app, folder, SUBMIT, variables) as running:
        tally = Tally(warm, seconds)
        visitors = [_visitor(tally, prefer) for _ in range(in_flight)]
        load = http_load.drive(running.address, visitors, tally.end - time.perf_counter())
    return {**tally.figures(), "client_busy": load.client_busy}


def _visitor(tally: Tally, prefer: tuple[str, ...]) -> http_load.Visitor:
    clock = time.perf_counter
    while True:
        before = clock()
        status, body = _answer((yield SUBMIT))
        tally.submitted(before, clock())
        if status != 202:
            raise NotMeasured(f"submit was answered {status}: {body[:120]!r}")
        poll = http_load.request("GET", f"/tasks/{json.loads(body)['id']}", *prefer)
        answer: dict[str, Any] = {}
        for pause in _pauses():
            status, body = _answer((yield poll))
            if status != 200:
                raise NotMeasured(f"poll was answered {status}: {body[:120]!r}")
            answer = json.loads(body)
            if answer["status"] in ("completed", "failed"):
                break
            if not prefer:
                yield pause
        if answer["status"] != "completed" or answer["result"]["size"] != 48_213:
            raise NotMeasured(f"a lifecycle ended without its result: {body[:120]!r}")
        tally.ended(clock())


def _answer(sent: tuple[int, bytes] | None) -> tuple[int, bytes]:
    return sent if sent is not None else (0, b"")


def _pauses() -> itertools.chain[float]:
    """1, 2, 4 … 500 ms: few polls for a slow side, little delay for a fast one."""
    doubling = (FIRST_PAUSE * 2**step for step in range(9))
    return itertools.chain(doubling, itertools.repeat(LONGEST_PAUSE))
