"""Every fault of the demo's table is caused in a served demo, and must end as the table says."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from settled import Reason
from settled.demo.faults import FAULTS, TABLE

AT_ONCE = 4
GRACE = 5.0  # seconds after a task's own deadline until who waits calls the server unreachable
BUSY = 15.0  # seconds allowed beyond the table's, since other tests run on the same processors


async def ending_of(client: httpx.AsyncClient, address: str, settles_in: float) -> tuple[str, str | None, str]:
    """Wait as the browser's client does: how it ended, why, and what is said."""
    deadline = time.monotonic() + settles_in + GRACE
    while time.monotonic() < deadline:
        answer = await client.get(address, headers={"Prefer": "wait=5"})
        body = answer.json()
        if answer.status_code == 404:
            return "unknown", None, body["detail"]
        if answer.status_code == 200:
            if body["settled"]:
                error = body["error"] or {"reason": None, "message": ""}
                return body["status"], error["reason"], error["message"]
            deadline = time.monotonic() + body["settles_in"] + GRACE
        else:
            assert answer.status_code == 503, answer.text
            await asyncio.sleep(0.2)
    return "unreachable", None, ""


async def cause(client: httpx.AsyncClient, fault: dict[str, Any], places: asyncio.Semaphore) -> str:
    """Cause one fault; return what is wrong with its end, or nothing."""
    async with places:
        begun = time.monotonic()
        answer = await client.post(f"/demo/faults/{fault['name']}")
        assert answer.status_code == 202, answer.text
        settles_in = answer.json().get("settles_in", 0)  # of a task that never was, there is no more than its id
        end, reason, message = await ending_of(client, answer.headers["Location"], settles_in)
        took = time.monotonic() - begun
    if (end, reason) != (fault["status"], fault["reason"]):
        return f"{fault['name']} ended {end}, {reason} ({message}) instead of {fault['status']}, {fault['reason']}"
    if took > fault["within"] + BUSY:
        return f"{fault['name']} took {took:.1f} s instead of {fault['within']} s"
    if end == "failed" and (not message or "Traceback" in message):
        return f"{fault['name']} has no message for people: {message!r}"
    return ""


@pytest.mark.slow
@pytest.mark.parametrize("group", TABLE)
def test_every_fault_of_a_group_ends_as_the_table_says(demo: str, group: str) -> None:
    async def run() -> list[str]:
        places = asyncio.Semaphore(AT_ONCE)
        async with httpx.AsyncClient(base_url=demo, timeout=30) as client:
            faults = (await client.get("/demo/faults")).json()
            return await asyncio.gather(*(cause(client, fault, places) for fault in faults if fault["group"] == group))

    assert [wrong for wrong in asyncio.run(run()) if wrong] == []


@pytest.mark.slow
def test_a_clock_that_is_set_moves_no_deadline_in_either_direction(demo: str) -> None:
    timeout = float(FAULTS["clock-set"].limits["timeout"])
    begun = httpx.post(f"{demo}/demo/faults/clock-set", timeout=30)
    body = begun.json()
    while not body["settled"]:
        assert 0 < body["settles_in"] < 120
        body = httpx.get(f"{demo}{begun.headers['Location']}", headers={"Prefer": "wait=5"}, timeout=30).json()
    started, finished = (datetime.fromisoformat(body[name]) for name in ("started_at", "finished_at"))
    assert timeout <= (finished - started).total_seconds() < timeout + BUSY
    assert abs((datetime.now(UTC) - finished).total_seconds()) < BUSY


def test_the_table_is_what_machines_are_told(demo: str) -> None:
    told = httpx.get(f"{demo}/demo/faults", timeout=30).json()
    assert [fault["name"] for fault in told] == list(FAULTS)
    assert {fault["reason"] for fault in told} <= {None, *Reason}
    assert all(fault["within"] > 0 and fault["title"] and fault["what"] for fault in told)


def test_a_fault_that_is_not_in_the_table_is_not_found(demo: str) -> None:
    assert httpx.post(f"{demo}/demo/faults/no-such-fault", timeout=30).status_code == 404
