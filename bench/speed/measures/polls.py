"""Polls a second over HTTP: the row read by hand and through settled, on bare ASGI and in FastAPI."""

from __future__ import annotations

import itertools
import json
from functools import partial
from pathlib import Path

from bench.speed import filling, http_load, server
from bench.speed.measures.plan import Plan
from bench.speed.rounds import Comparison, Figures, NotMeasured, alternate

ASGI_HAND, ASGI_OURS = "by hand, bare ASGI", "settled TasksApp"
FASTAPI_HAND, FASTAPI_OURS = "by hand, FastAPI", "settled FastAPI router"
CONSTANT = "a constant, bare ASGI"
APPS = {
    ASGI_HAND: "by_hand_asgi",
    ASGI_OURS: "ours_polls_asgi",
    FASTAPI_HAND: "by_hand_fastapi",
    FASTAPI_OURS: "ours_polls_fastapi",
    CONSTANT: "constant_asgi",
}
CONNECTIONS = 32
MAY_DIFFER = ("settles_in", "retry_after")  # they depend on the instant of the answer


def polls(plan: Plan) -> Comparison:
    """Figures of each side, for settled rows and for open ones."""
    path = plan.folder / "polled.db"
    filling.fill(path, settled=1_000, still_open=1_000)
    paths = {
        kind: [f"/tasks/{found}" for found in filling.ids_of(path, status, 1_000)] for kind, status in KINDS.items()
    }
    bodies: dict[str, list[dict[str, object]]] = {}
    sides = {name: partial(_one, name, path, paths, plan, bodies) for name in APPS}
    found = alternate(sides, 2 if plan.quick else 4)
    _must_be_the_same(bodies)
    return found


KINDS = {"settled": "completed", "open": "pending"}


def _one(
    name: str, ledger: Path, paths: dict[str, list[str]], plan: Plan, bodies: dict[str, list[dict[str, object]]]
) -> Figures:
    figures: Figures = {}
    first = http_load.request("GET", paths["settled"][0])
    with server.serving(APPS[name], plan.folder, first, {"BENCH_LEDGER": str(ledger)}) as running:
        bodies[name] = [_get(running.address, found[0]) for found in paths.values()]
        for kind, of_kind in paths.items():
            requests = [http_load.request("GET", path) for path in of_kind]
            _load(running.address, requests, plan.http_seconds / 5)
            used = running.processor_seconds()
            answers, load = _load(running.address, requests, plan.http_seconds / 2)
            figures[f"{kind}_per_second"] = answers / load.wall
            figures[f"{kind}_client_busy"] = load.client_busy
            if used is not None:
                worked = (running.processor_seconds() or 0.0) - used
                figures[f"{kind}_server_busy"] = worked / load.wall
                figures[f"{kind}_per_cpu_second"] = answers / max(worked, 0.01)
    return figures


def _load(address: tuple[str, int], requests: list[bytes], seconds: float) -> tuple[int, http_load.Load]:
    count = 0

    def visitor(start: int) -> http_load.Visitor:
        nonlocal count
        for poll in itertools.cycle(requests[start:] + requests[:start]):
            answer = yield poll
            if answer is None or answer[0] != 200:
                raise NotMeasured(f"a poll was answered {answer}")
            count += 1

    load = http_load.drive(address, [visitor(number * 31) for number in range(CONNECTIONS)], seconds)
    return count, load


def _get(address: tuple[str, int], path: str) -> dict[str, object]:
    bodies: list[bytes] = []

    def visitor() -> http_load.Visitor:
        answer = yield http_load.request("GET", path)
        bodies.append(answer[1] if answer else b"")

    http_load.drive(address, [visitor()], 0.2)
    if not bodies:
        raise NotMeasured(f"no answer to {path}")
    body: dict[str, object] = json.loads(bodies[0])
    return {key: value for key, value in body.items() if key not in MAY_DIFFER}


def _must_be_the_same(bodies: dict[str, list[dict[str, object]]]) -> None:
    """Comparing is only fair if each side gives the same answer."""
    mine = bodies.get(ASGI_HAND)
    for name, theirs in bodies.items():
        if name != CONSTANT and mine and theirs != mine:
            print(f"warning: {name} answers differently from {ASGI_HAND}:\n  {theirs}\n  {mine}")
