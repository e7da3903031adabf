"""The histories that the browser's machine is held to as well (js/test/scenarios.test.mjs): both end alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from settled.machine import LAG, Look, Seen, Terms, Trouble, machine
from settled.remote import understood

TABLE = json.loads((Path(__file__).parents[2] / "js/test/scenarios.json").read_text("utf-8"))["scenarios"]


def heard(step: dict[str, Any]) -> Seen:
    """What a request brings, as the transport tells it."""
    if step.get("refused"):
        return Trouble("refused")
    body: Any = step.get("body")
    if "open" in step:
        body = {"settled": False, "status": "running", "settles_in": step["open"]}
    elif "done" in step:
        body = {"settled": True, "status": "completed", "result": step["done"]}
    elif "failed" in step:
        body = {"settled": True, "status": "failed", "error": {"reason": step["failed"], "message": "why"}}
    text = step.get("html") or step.get("text") or ("" if "status" in step else json.dumps(body))
    headers = {"Retry-After": step["retry_after"]} if "retry_after" in step else {}
    kind = "text/html" if "html" in step else "application/json"
    return understood(step.get("status", 200), kind, text.encode(), headers)


@pytest.mark.parametrize("scenario", TABLE, ids=lambda scenario: scenario["name"])
def test_a_history_ends_as_the_table_says(scenario: dict[str, Any]) -> None:
    now, wall = 1.0, 1e9
    steps, then = iter(scenario["steps"]), scenario.get("then", {"hangs": True})
    terms = Terms(None, scenario.get("grace", 5), scenario.get("patience", 30), LAG, False, "server")
    wait = machine(terms, lambda: now, lambda: wall)
    said, seen = next(wait), None
    for _ in range(10_000):
        passed = 0.0
        if isinstance(said, Look):
            step = next(steps, then)
            if "sleep" in step:
                passed, seen = step["sleep"], Trouble("cut off")
            elif step.get("hangs"):
                passed, seen = said.room, Trouble("no answer came in time")
            else:
                seen = heard(step)
        else:
            passed, seen = said, None
        now, wall = now + passed, wall + passed
        try:
            said = wait.send(seen)
        except StopIteration as stop:
            ending = stop.value
            break
    else:
        raise AssertionError("it never ends")
    took = now - 1.0
    assert ending.end == scenario["end"]
    if "result" in scenario:
        assert ending.result == scenario["result"]
    if "reason" in scenario:
        assert ending.reason == scenario["reason"]
    assert scenario.get("after", 0) <= took <= scenario["within"]
