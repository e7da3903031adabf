"""The frontend: submits, then asks every half second for a minute, as a page would that waits for its result."""

from __future__ import annotations

import asyncio
import json
import math
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

EVERY = 0.5
ANSWER_WITHIN = 10.0
"""Seconds for one answer to a poll; the page then asks again."""
SUBMIT_WITHIN = 30.0
"""Seconds for the answer to a submit; the page then says that it did not work."""
NOT_FOUND_FOR = 5.0
"""Seconds of nothing but 404 or 410 after which the page believes that there is no such task."""
NOT_THERE = ("404", "410")
ENDS = ("completed", "failed")


@dataclass
class Seen:
    """What the page saw, in seconds since the submit was answered; ``changes`` are what differed from the last."""

    changes: list[tuple[float, str]] = field(default_factory=list)
    ended_at: float | None = None
    status: str = ""
    result: Any = None
    reason: str = ""
    flipped_to: str = ""
    submit_took: float = 0.0
    polls: int = 0

    def note(self, at: float, what: str) -> None:
        if not self.changes or self.changes[-1][1] != what:
            self.changes.append((round(at, 2), what))


class Page:
    """One page on one web app, for one task."""

    def __init__(self, base: str, patience: float) -> None:
        self._client = httpx.AsyncClient(base_url=base, timeout=ANSWER_WITHIN)
        self._patience = patience
        self.seen = Seen()

    async def submit(self, culprit: str, token: str) -> str | None:
        """Submit; the task's id, or None if the page was told that it did not work."""
        begun = time.monotonic()
        try:
            answer = await self._client.post(
                "/tasks", params={"culprit": culprit, "token": token}, timeout=SUBMIT_WITHIN
            )
            refusal = "" if answer.status_code < 300 else f"{answer.status_code} {answer.text[:500]}"
        except httpx.TimeoutException:
            refusal = f"no answer within {SUBMIT_WITHIN:.0f} s"
        except httpx.HTTPError as error:
            refusal = type(error).__name__
        self.seen.submit_took = round(time.monotonic() - begun, 2)
        if refusal:
            self.seen.status, self.seen.reason, self.seen.ended_at = "refused", refusal, self.seen.submit_took
            self.seen.note(0, f"submit refused: {refusal}")
            return None
        return str(answer.json()["id"])

    async def watch(self, task: str, harmed: asyncio.Future[Any], linger: float) -> Seen:
        """Poll until the task has ended and the harm is done, and some seconds longer, for what flips."""
        begun = time.monotonic()
        missing_since: float | None = None
        over_at = math.inf
        while (at := time.monotonic() - begun) < over_at:
            what, body = await self._ask(task)
            self.seen.polls += 1
            at = time.monotonic() - begun
            self.seen.note(at, what)
            missing_since = (at if missing_since is None else missing_since) if what in NOT_THERE else None
            if missing_since is not None and at - missing_since >= NOT_FOUND_FOR:
                self._ended(at, "unknown", {})
            elif what in ENDS:
                self._ended(at, what, body)
            ended = self.seen.ended_at is not None
            if (ended or at >= self._patience) and harmed.done() and over_at == math.inf:
                over_at = at + (linger if ended else 0)
            await asyncio.sleep(max(0.0, begun + at + EVERY - time.monotonic()))
        return self.seen

    def _ended(self, at: float, status: str, body: dict[str, Any]) -> None:
        seen = self.seen
        if seen.ended_at is None:
            if at <= self._patience:
                seen.ended_at, seen.status, seen.result = round(at, 2), status, body.get("result")
                seen.reason = _text(body.get("error"))
        elif status != seen.status:
            seen.flipped_to = status

    async def _ask(self, task: str) -> tuple[str, dict[str, Any]]:
        try:
            answer = await self._client.get(f"/tasks/{task}")
        except httpx.HTTPError as error:
            return type(error).__name__, {}
        if answer.status_code != 200:
            return str(answer.status_code), {}
        try:
            body = json.loads(answer.text, parse_constant=_no_json)
        except ValueError as error:
            return f"200, but no JSON: {error}"[:100], {}
        return str(body.get("status")), body

    async def close(self) -> None:
        await self._client.aclose()


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _text(error: object) -> str:
    """The reason as the page would show it."""
    if isinstance(error, dict):
        return f"{error.get('reason')}: {error.get('message')}"
    return "" if error is None else str(error)
