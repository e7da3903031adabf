"""Waits for a task over HTTP, where there is no ledger to be opened: the same machine, on the standard library alone.

One request at a time, each with a bound of its own. On an event loop the wait has a thread of its own, for a library
that needs nothing else has no other HTTP; it is not one of the loop's few, and ends with the wait.
"""

from __future__ import annotations

import asyncio
import json
import math
import socket
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from email.message import Message
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urljoin, urlsplit

from settled.errors import TaskNotFound
from settled.machine import GRACE, LAG, PATIENCE, Look, Seen, Terms, Told, Trouble, machine
from settled.records import Ending, Snapshot
from settled.states import End, Reason, Status

MOST = 64 * 1024 * 1024
"""Bytes of an answer that are read at most."""
HOPS = 3
_SIGNED_OUT = "You are not signed in, or were signed out: give headers= that say who asks."
_FORBIDDEN = "You are not allowed to see it."
_PRUNED = "It is gone: tasks are kept only for a while (pruned)."
_MISSING = "There is no such task, or you may not see it."


def wait(
    url: str, timeout: float | None = None, *, headers: Mapping[str, str] | None = None, grace: float = GRACE,
    patience: float = PATIENCE,
) -> Ending:  # fmt: skip
    """Wait in this thread for the task at ``url``; never raises for what a server does, never hangs.

    timeout   seconds after which the wait ends as ``aborted``; without it the task's own deadline decides
    headers   sent with every request, for example ``{"Authorization": "Bearer …"}``
    grace     seconds to go on after the task's own deadline
    patience  seconds to go on if nobody ever answered, never less than ``grace``
    """
    return _Wait(url, headers, Terms(timeout, grace, patience, LAG, False, "server")).run()


async def await_(
    url: str, timeout: float | None = None, *, headers: Mapping[str, str] | None = None, grace: float = GRACE,
    patience: float = PATIENCE,
) -> Ending:  # fmt: skip
    """The same on an event loop; to cancel it drops the request that is under way."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Ending] = loop.create_future()
    waiting = _Wait(url, headers, Terms(timeout, grace, patience, LAG, False, "server"))

    def tell(ending: Ending | None, error: BaseException | None) -> None:
        if ended.done():
            return
        if ending is not None:
            ended.set_result(ending)
        elif error is not None:
            ended.set_exception(error)

    def work() -> None:
        ending = error = None
        try:
            ending = waiting.run()
        except BaseException as caught:
            error = caught
        try:
            loop.call_soon_threadsafe(tell, ending, error)
        except RuntimeError:
            pass  # the loop has been closed meanwhile: nobody waits

    threading.Thread(target=work, name="settled-wait", daemon=True).start()
    try:
        return await ended
    finally:
        waiting.stop()


class _Wait:
    """One wait: drives the machine, and asks."""

    def __init__(self, url: str, headers: Mapping[str, str] | None, terms: Terms) -> None:
        self._url = url
        self._headers = dict(headers or {})
        self._terms = terms
        self._stopped = threading.Event()
        self._connection: HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._etag: str | None = None
        self._known: Told | None = None

    def run(self) -> Ending:
        parts = urlsplit(self._url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return Ending(End.UNKNOWN, None, None, f"{self._url!r} is no address of a task: http://… or https://….")
        steps = machine(self._terms, time.monotonic, time.time)
        seen: Seen | None = None
        while not self._stopped.is_set():
            try:
                step = steps.send(seen)
            except StopIteration as stop:
                ending: Ending = stop.value
                return ending
            seen = None
            if isinstance(step, Look):
                seen = self._look(step)
            else:
                self._stopped.wait(step)
        return Ending(End.ABORTED, None, None, "The wait was stopped.")

    def stop(self) -> None:
        """End the wait from another thread, whatever it is at."""
        self._stopped.set()
        self._cut()

    def _cut(self) -> None:
        sock = self._socket or getattr(self._connection, "sock", None)
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended by itself

    def _look(self, look: Look) -> Seen:
        """One request, and what it means; over within ``look.room`` seconds, however slowly it trickles."""
        guard = threading.Timer(look.room, self._cut)
        guard.daemon = True
        guard.start()
        try:
            return self._asked(look, self._url, HOPS)
        except (OSError, HTTPException, ValueError) as error:
            return Trouble(f"{type(error).__name__}: {error}")
        finally:
            guard.cancel()
            if self._connection is not None:
                self._connection.close()
            self._connection = self._socket = None

    def _asked(self, look: Look, url: str, hops: int) -> Seen:
        parts = urlsplit(url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = self._connection = kind(parts.hostname or "", parts.port, timeout=look.room)
        connection.connect()
        self._socket = connection.sock  # which the connection forgets once the headers of a last answer have come
        headers = {"Accept": "application/json", "Connection": "close", **self._headers}
        if look.hold:
            headers["Prefer"] = f"wait={look.hold}"
        if look.hold and self._etag:
            headers["If-None-Match"] = self._etag
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), headers=headers)
        answer = connection.getresponse()
        target = urljoin(url, answer.headers.get("Location", ""))
        if 300 <= answer.status < 400 and answer.status != 304:
            if _bare(target) != _bare(self._url) or not hops:
                return Ending(End.DENIED, None, None, _SIGNED_OUT)
            connection.close()
            return self._asked(look, target, hops - 1)
        if answer.status == 304 and self._known is not None:
            return self._known._replace(settles_in=None)
        seen = understood(answer.status, answer.headers.get("Content-Type", ""), _read(answer), answer.headers)
        if isinstance(seen, Told):
            self._known, self._etag = seen, answer.headers.get("ETag")
        return seen


def understood(status: int, kind: str, body: bytes, headers: Mapping[str, str] | Message) -> Seen:
    """What an answer means to the machine."""
    try:
        task = json.loads(body)
    except (ValueError, RecursionError):
        task = None
    if isinstance(task, dict) and isinstance(task.get("settled"), bool):
        return told(task)
    if status in (204, 410):
        return Ending(End.UNKNOWN, None, None, _PRUNED)
    if status in (401, 403):
        return Ending(End.DENIED, None, None, _SIGNED_OUT if status == 401 else _FORBIDDEN)
    if status in (400, 404, 422):
        return TaskNotFound(_MISSING)
    if status < 300 and "html" in kind.lower():
        return Ending(End.DENIED, None, None, _SIGNED_OUT)
    why = "the answer made no sense" if status < 300 else f"the server answered {status}"
    return Trouble(why, _seconds(headers.get("Retry-After")))


def told(task: Mapping[str, Any]) -> Told | Ending:
    """A task as it crossed the wire, as a snapshot; what does not cross it is empty there."""
    settled, word = task["settled"], task.get("status")
    error = task.get("error") if isinstance(task.get("error"), dict) else {}
    assert isinstance(error, dict)
    progress = task.get("progress") if isinstance(task.get("progress"), dict) else {}
    assert isinstance(progress, dict)
    status = Status.PENDING if word == "pending" else Status.RUNNING
    message = reason = None
    if settled:
        status = Status.COMPLETED if word == "completed" else Status.FAILED
    if status is Status.FAILED:  # any other word: whoever says it, it is not a success
        message = str(error.get("message") or f'The task ended as "{word or "failed"}".')
        reason = Reason(error["reason"]) if error.get("reason") in list(Reason) else None
    left = _seconds(task.get("settles_in"))
    by, made = _ms(task.get("settles_at")) or 0, _ms(task.get("created_at")) or 0
    snapshot = Snapshot(
        str(task.get("id") or ""), str(task.get("name") or ""), status,
        json.dumps(task.get("result")) if status is Status.COMPLETED else None, message, reason, error.get("type"),
        None, "", None, None, progress.get("fraction"), progress.get("message"), _whole(task.get("attempt")),
        _whole(task.get("max_attempts")), 0, 0, 0, made, _ms(task.get("started_at")), _ms(task.get("finished_at")),
        made, by, by, None, None, None, None, None, None, None, None, by - round((left or 0.0) * 1000),
    )  # fmt: skip
    return Told(snapshot, left, _seconds(task.get("retry_after")))


def _read(answer: HTTPResponse) -> bytes:
    body = answer.read(MOST + 1)
    if len(body) > MOST:
        raise HTTPException(f"the answer is larger than {MOST} bytes")
    return body


def _bare(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}{parts.path.rstrip('/')}"


def _seconds(value: object) -> float | None:
    try:
        number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return max(0.0, number) if math.isfinite(number) else None


def _ms(value: object) -> int | None:
    try:
        return round(datetime.fromisoformat(value).timestamp() * 1000) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
