"""Reads of a fresh key a second over HTTP: the row read by hand and through settled, on bare ASGI and in FastAPI."""

from __future__ import annotations

import itertools
import json
from functools import partial
from pathlib import Path

from bench.speed import http_load, server
from bench.speed.measures.plan import Plan
from bench.speed.rounds import Comparison, Figures, NotMeasured, alternate
from bench.speed.sides.work import RESULT
from settled import Tasks

ASGI_HAND, ASGI_OURS = "by hand, bare ASGI", "settled LatestApp"
FASTAPI_HAND, FASTAPI_OURS = "by hand, FastAPI", "settled FastAPI router"
APPS = {
    ASGI_HAND: "latest_by_hand_asgi",
    ASGI_OURS: "latest_ours_asgi",
    FASTAPI_HAND: "latest_by_hand_fastapi",
    FASTAPI_OURS: "latest_ours_fastapi",
}
KEYS = 1_000
CONNECTIONS = 32
MAY_DIFFER = ("age",)  # it depends on the instant of the answer


def reads(plan: Plan) -> Comparison:
    """Figures of each side, for a thousand fresh keys."""
    path = plan.folder / "latest.db"
    fill(path)
    bodies: dict[str, dict[str, object]] = {}
    found = alternate({name: partial(_one, name, path, plan, bodies) for name in APPS}, 2 if plan.quick else 4)
    for name, body in bodies.items():
        if body != bodies[ASGI_HAND]:
            print(f"warning: {name} answers differently from {ASGI_HAND}:\n  {body}\n  {bodies[ASGI_HAND]}")
    return found


def fill(path: Path) -> None:
    """A ledger with fresh keys."""
    tasks = Tasks(f"sqlite:///{path}", embedded=False)

    @tasks.latest(name="traffic", fresh_for=86_400)
    def traffic(key: str) -> None: ...

    for number in range(KEYS):
        traffic.sync.set(f"{number}.example", RESULT)
    tasks.stop()


def _one(name: str, ledger: Path, plan: Plan, bodies: dict[str, dict[str, object]]) -> Figures:
    requests = [http_load.request("GET", f"/latest/traffic/{number}.example") for number in range(KEYS)]
    with server.serving(APPS[name], plan.folder, requests[0], {"BENCH_LEDGER": str(ledger)}) as running:
        bodies[name] = _body(running.address, requests[0])
        _load(running.address, requests, plan.http_seconds / 5)
        used = running.processor_seconds()
        answers, load = _load(running.address, requests, plan.http_seconds / 2)
        figures: Figures = {"per_second": answers / load.wall, "client_busy": load.client_busy}
        if used is not None:
            worked = (running.processor_seconds() or 0.0) - used
            figures["server_busy"] = worked / load.wall
            figures["per_cpu_second"] = answers / max(worked, 0.01)
        return figures


def _load(address: tuple[str, int], requests: list[bytes], seconds: float) -> tuple[int, http_load.Load]:
    count = 0

    def visitor(start: int) -> http_load.Visitor:
        nonlocal count
        for request in itertools.cycle(requests[start:] + requests[:start]):
            answer = yield request
            if answer is None or answer[0] != 200:
                raise NotMeasured(f"a read was answered {answer}")
            count += 1

    load = http_load.drive(address, [visitor(number * 31) for number in range(CONNECTIONS)], seconds)
    return count, load


def _body(address: tuple[str, int], request: bytes) -> dict[str, object]:
    bodies: list[bytes] = []

    def visitor() -> http_load.Visitor:
        answer = yield request
        bodies.append(answer[1] if answer else b"{}")

    http_load.drive(address, [visitor()], 0.2)
    body: dict[str, object] = json.loads(bodies[0]) if bodies else {}
    return {key: value for key, value in body.items() if key not in MAY_DIFFER}
