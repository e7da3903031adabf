"""What becomes of the task that is waited for, on one clock that server, page and grader share; and how it is told.

Instants are seconds since the client began, of the kit's own scale; what crosses the wire is real seconds.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from html import escape
from typing import Any

ID = "01a20932-293e-703c-8288-5f4777ee1b61"
SETTLES = 1.5
PROMISE = 3.0
"""When the server says that the task will have settled, at most."""
HORIZON = 9.0
"""Who still waits then, three times as long as the task can take, hangs."""
POLL = 0.25
GRACE, PATIENCE = 2.0, 5.0


class Clock:
    """The task's clock: 0 when the client begins; one of its seconds takes ``scale`` real ones."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale
        self._start = time.monotonic()

    def start(self) -> None:
        self._start = time.monotonic()

    @property
    def now(self) -> float:
        return (time.monotonic() - self._start) / self.scale

    async def until(self, instant: float) -> None:
        await asyncio.sleep(max(0.0, instant - self.now) * self.scale)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self.scale)


@dataclass(frozen=True)
class Story:
    """A task: when it settles, as what; what is promised and said meanwhile."""

    settles: float | None = SETTLES
    as_: str = "completed"
    meanwhile: str = "running"
    endless: bool = False  # each answer promises as long again
    retry_after: float = POLL

    def settled(self, now: float) -> bool:
        return self.settles is not None and now >= self.settles

    def told(self, now: float, scale: float) -> dict[str, Any]:
        """The task's JSON object, as settled's HTTP has it."""
        settled = self.settled(now)
        status = self.as_ if settled else self.meanwhile
        failed = {"reason": "exception", "message": "The page to be fetched is gone.", "type": "LookupError"}
        left = 0.0 if settled else PROMISE if self.endless else max(0.0, PROMISE - now)
        return {
            "id": ID, "name": "scrape", "status": status, "settled": settled,
            "result": {"words": 1234} if settled and status == "completed" else None,
            "error": failed if settled and status == "failed" else None, "progress": None, "attempt": 1,
            "max_attempts": 1, "created_at": "2026-11-26T00:00:00.000Z", "settles_at": "2026-11-26T00:00:03.000Z",
            "settles_in": round(left * scale, 3), "retry_after": 0.0 if settled else self.retry_after * scale,
        }  # fmt: skip


def as_json(task: dict[str, Any]) -> bytes:
    return json.dumps(task).encode()


def as_celery(task: dict[str, Any]) -> bytes:
    """The words of celery-progress's view."""
    words = {"running": "PROGRESS", "completed": "SUCCESS", "failed": "FAILURE"}
    word = words.get(task["status"], task["status"].upper())
    whole = {"pending": False, "current": 100, "total": 100, "percent": 100}
    part = {**whole, "current": 40, "percent": 40}
    told: dict[str, Any] = {"state": word, "complete": False, "success": None, "progress": part}
    if task["settled"]:
        success = {"SUCCESS": True, "FAILURE": False}.get(word)
        result = task["result"] if success else (task["error"] or {}).get("message", word)
        told = {"state": word, "complete": True, "success": success, "progress": whole, "result": result}
    return json.dumps(told).encode()


def as_fragment(task: dict[str, Any], path: str, every: float) -> bytes:
    """The markup of settled's fragments: it asks for itself again while it is open."""
    again = "" if task["settled"] else f' hx-get="{path}" hx-trigger="every {every * 1000:.0f}ms" hx-swap="outerHTML"'
    state = escape(task["status"])
    inside = f"<strong>{state}</strong>"
    return f'<div class="settled-task" data-state="{state}" role="status"{again}>{inside}</div>'.encode()
