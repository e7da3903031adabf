"""A small view of an ASGI request, for ``authorize`` hooks: what Starlette's names, where there is no Starlette."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI app."""


class Request:
    """One request; nothing is parsed before it is asked for. Header names are in lower case."""

    def __init__(self, scope: Scope, receive: Receive | None = None) -> None:
        self.scope = scope

    @property
    def method(self) -> str:
        """The method, in upper case."""
        return str(self.scope["method"])

    @property
    def path(self) -> str:
        """The whole path, as the server saw it."""
        return str(self.scope["path"])

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """The headers by name in lower case; of a repeated one the last."""
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.scope["headers"]}

    @cached_property
    def query_params(self) -> Mapping[str, str]:
        """The query's values by name; of a repeated one the last."""
        return dict(parse_qsl(self.scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True))

    @cached_property
    def cookies(self) -> Mapping[str, str]:
        """The cookies by name; one that cannot be parsed is left out."""
        found: dict[str, str] = {}
        for pair in self.headers.get("cookie", "").split(";"):
            try:
                found.update((name, morsel.value) for name, morsel in SimpleCookie(pair.strip()).items())
            except CookieError:
                continue
        return found

    @property
    def user(self) -> Any:
        """Who asks, if a middleware in front has put somebody there."""
        return self.scope.get("user")

    @property
    def state(self) -> Any:
        """What middlewares in front have noted, as attributes."""
        state = self.scope.get("state", {})
        return SimpleNamespace(**state) if isinstance(state, dict) else state
