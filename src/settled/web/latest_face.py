"""The operations on latest values over HTTP, once for every framework: from an ASGI scope and a key to an answer."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl

from settled.errors import BadInput, BadKey, SettledError, TaskNotFound, UnknownTaskName
from settled.latest import Latest, LatestFunction
from settled.latest.waiting import changed
from settled.tasks import Tasks
from settled.web import latest_wire, problems, wire
from settled.web.face import GONE, across_sites, not_across_sites, problem_of, unless_gone
from settled.web.latest_wire import Item, Refused
from settled.web.problems import problem
from settled.web.request import Receive, Request, Scope
from settled.web.wire import Answer

log = logging.getLogger("settled")
MOST_KEYS = 1_000
"""Keys that one request may ask for."""
MOST_BYTES = 1_048_576
"""Of a request's body; a value that is put may be as large as a result may be."""
OF_KEY: Mapping[str, str] = {"GET": "show", "HEAD": "show"}
OF_KEY_WRITABLE: Mapping[str, str] = {**OF_KEY, "PUT": "put", "DELETE": "purge"}
OF_REFRESH: Mapping[str, str] = {"POST": "force"}
OF_NAME: Mapping[str, str] = {"POST": "many"}


class Asked(NamedTuple):
    """What somebody wants to do with a key: ``read`` (which may start a refresh), ``refresh`` it now, set or purge."""

    name: str
    key: str
    verb: Literal["read", "refresh", "set", "purge"]


Authorize = Callable[[Any, Asked], bool | Awaitable[bool]]
"""Gets the request and what is asked for; False answers 404, as if there were no such key."""
Operation = Callable[[Scope, Receive, LatestFunction[Any, Any], str], Coroutine[Any, Any, Answer]]


class LatestFace:
    """The latest functions of one ``Tasks``; ``view`` makes of scope and receive what ``authorize`` sees."""

    def __init__(
        self, tasks: Tasks, authorize: Authorize | None, errors: str, *, writable: bool,
        view: Callable[[Scope, Receive], Any] = Request, let_through: tuple[type[Exception], ...] = (),
    ) -> None:  # fmt: skip
        if errors not in ("all", "public"):
            raise BadInput(f'errors={errors!r} is unknown. Use "all", or "public": only messages of PublicError pass.')
        self.tasks = tasks
        self.of_key = OF_KEY_WRITABLE if writable else OF_KEY
        self._public = errors == "public"
        self._authorize = authorize
        self._view = view
        self._let_through = let_through
        self._operations: dict[str, Operation] = {
            "show": self._show, "many": self._many, "force": self._force, "put": self._put, "purge": self._purge,
        }  # fmt: skip

    async def answer(self, operation: str, scope: Scope, receive: Receive, name: str, key: str = "") -> Answer:
        """Do one operation; whatever goes wrong is a problem document."""
        try:
            return await self._operations[operation](scope, receive, self.tasks.latest_of(name), key)
        except UnknownTaskName:
            return problem(404, "no-such-address", "No such address", "No latest function has this name here.")
        except SettledError as error:
            return problem_of(error)
        except self._let_through:
            raise
        except Exception:
            log.exception("A request for a latest value could not be answered")
            return problems.problem_of(SettledError())

    # -- the operations

    async def _show(self, scope: Scope, receive: Receive, latest: LatestFunction[Any, Any], asked: str) -> Answer:
        query = _query(scope)
        mode = _mode(query.get("refresh", "auto"), ("auto", "never"), "Use POST …/refresh to force one.")
        history = _count("history", query.get("history"))
        key = latest.key_of(asked)
        await self._check(scope, receive, Asked(latest.name, key, "read"))
        known, wait = _preferences(scope)
        mode = "never" if across_sites(scope) else mode  # a page of another site must not start work here
        found = await latest.keys.arun(latest.keys.getting([key], mode))
        items, tag = await self._perhaps_later(receive, latest, found, known, wait)
        if items is None:
            return GONE
        one = items[0]
        assert isinstance(one, Latest)
        pause = latest_wire.retry_after(one)
        if known is not None and wire.matches(known, tag):
            answer = latest_wire.unchanged(tag, pause)
        else:
            former = None if history is None else await latest.keys.arun(latest.keys.remembering(key, history))
            body = latest_wire.body_of(one, public=self._public, history=former)
            answer = latest_wire.polled(body, tag, pause)
        return _with_preference(answer, wait)

    async def _many(self, scope: Scope, receive: Receive, latest: LatestFunction[Any, Any], _: str) -> Answer:
        not_across_sites(scope)
        body = await _json_body(receive, MOST_BYTES)
        if not isinstance(body, dict) or not isinstance(body.get("keys"), list) or len(body["keys"]) > MOST_KEYS:
            raise BadInput(
                f'Send a JSON object like {{"keys": ["a", "b"], "refresh": "auto"}}, with up to {MOST_KEYS:,}.'
            )
        mode = _mode(body.get("refresh", "auto"), ("auto", "never", "force"), "")
        verb: Literal["read", "refresh"] = "refresh" if mode == "force" else "read"
        known, wait = _preferences(scope)
        asked = [await self._asked(scope, receive, latest, each, verb) for each in body["keys"]]
        keys = [each for each in asked if isinstance(each, str)]
        there = iter(await latest.keys.arun(latest.keys.getting(keys, mode)))
        first = [each if isinstance(each, Refused) else next(there) for each in asked]
        items, tag = await self._perhaps_later(receive, latest, first, known, wait)
        if items is None:
            return GONE
        pause = min((latest_wire.retry_after(each) for each in latest_wire.under_way(items)), default=0.0)
        return _with_preference(latest_wire.polled(latest_wire.bodies_of(items, public=self._public), tag, pause), wait)

    async def _force(self, scope: Scope, receive: Receive, latest: LatestFunction[Any, Any], asked: str) -> Answer:
        key = await self._allowed(scope, receive, latest, asked, "refresh")
        return self._changed(await latest.keys.arun(latest.keys.getting([key], "force")))

    async def _put(self, scope: Scope, receive: Receive, latest: LatestFunction[Any, Any], asked: str) -> Answer:
        key = await self._allowed(scope, receive, latest, asked, "set")
        value = await _json_body(receive, self.tasks.max_result_bytes)
        return self._changed([await latest.keys.arun(latest.keys.setting(key, value))])

    async def _purge(self, scope: Scope, receive: Receive, latest: LatestFunction[Any, Any], asked: str) -> Answer:
        key = await self._allowed(scope, receive, latest, asked, "purge")
        await latest.keys.arun(latest.keys.purging(key))
        return self._changed(await latest.keys.arun(latest.keys.getting([key], "never")))

    # -- the inside

    def _changed(self, found: Sequence[Latest]) -> Answer:
        body = latest_wire.body_of(found[0], public=self._public)
        return latest_wire.polled(body, latest_wire.etag_of(found), latest_wire.retry_after(found[0]))

    async def _perhaps_later(
        self, receive: Receive, latest: LatestFunction[Any, Any], items: Sequence[Item], known: bytes | None,
        wait: int | None,
    ) -> tuple[Sequence[Item] | None, bytes]:  # fmt: skip
        """The items, at their next change if that is preferred, with their tag; None for a client that has left."""
        tag = latest_wire.etag_of(items)
        if wait and latest_wire.under_way(items) and (known is None or wire.matches(known, tag)):
            before = [item for item in items if isinstance(item, Latest)]
            newest = await unless_gone(receive, changed(latest.keys, before, wait, lambda: self.tasks.closing))
            if newest is None:
                return None, tag
            there = iter(newest)
            items = [item if isinstance(item, Refused) else next(there) for item in items]
            tag = latest_wire.etag_of(items)
        return items, tag

    async def _allowed(
        self, scope: Scope, receive: Receive, latest: LatestFunction[Any, Any], asked: str,
        verb: Literal["read", "refresh", "set", "purge"],
    ) -> str:  # fmt: skip
        """The key, if the asker may do this to it, from a page of this site."""
        not_across_sites(scope)
        key = latest.key_of(asked)
        await self._check(scope, receive, Asked(latest.name, key, verb))
        return key

    async def _asked(
        self, scope: Scope, receive: Receive, latest: LatestFunction[Any, Any], asked: Any,
        verb: Literal["read", "refresh"],
    ) -> str | Refused:  # fmt: skip
        """One of many: its key, or why nothing is told of it."""
        try:
            if not isinstance(asked, str):
                raise BadKey("A key is a text.")
            key = latest.key_of(asked)
            await self._check(scope, receive, Asked(latest.name, key, verb))
        except (BadKey, TaskNotFound) as error:
            return Refused(asked if isinstance(asked, str) else json.dumps(asked), problem_of(error).body)
        return key

    async def _check(self, scope: Scope, receive: Receive, asked: Asked) -> None:
        if self._authorize is not None:
            allowed = self._authorize(self._view(scope, receive), asked)
            if not (await allowed if inspect.isawaitable(allowed) else allowed):
                raise TaskNotFound("Not for this asker.")


def _query(scope: Scope) -> dict[str, str]:
    text = scope.get("query_string", b"")
    return dict(parse_qsl(text.decode("latin-1"), keep_blank_values=True)) if text else {}


def _mode(word: Any, known: Sequence[str], hint: str) -> Any:
    if word not in known:
        raise BadInput(f"refresh={str(word)[:20]} is not possible here: use {' or '.join(known)}. {hint}".rstrip())
    return word


def _count(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit() or int(text[:9]) > MOST_KEYS:
        raise BadInput(f"{name}={text[:20]} is not possible: give a number up to {MOST_KEYS:,}.")
    return int(text)


def _preferences(scope: Scope) -> tuple[bytes | None, int | None]:
    """The tag that the client has, and for how many seconds it would wait for another."""
    known = prefer = None
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            known = value
        elif name == b"prefer":
            prefer = value if prefer is None else prefer + b"," + value
    return known, None if prefer is None else wire.wait_of(prefer)


def _with_preference(answer: Answer, wait: int | None) -> Answer:
    if wait is not None:
        answer.headers.append((b"preference-applied", b"wait=%d" % wait))
    return answer


async def _json_body(receive: Receive, most: int) -> Any:
    """The JSON of the request's body; raises ``BadInput`` for what is none, or is too large."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise asyncio.CancelledError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise BadInput(f"The body is larger than the {most:,} bytes that are read.")
        if not message.get("more_body", False):
            break
    try:
        return json.loads(b"".join(parts))
    except (ValueError, RecursionError):
        raise BadInput("The body is no JSON.") from None
