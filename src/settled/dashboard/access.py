"""Who may see the dashboard, and who may act: closed, but to a browser on this very machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from settled.errors import BadInput
from settled.web.request import Request, Scope

Role = Literal["read", "write"]


class Access(NamedTuple):
    """What somebody may do, and who they are, for the log: ``Access("write", "ada@example.org")``."""

    role: Role
    who: str


Granted = Access | Role | None
Hook = Callable[[Request], Granted | Awaitable[Granted]]
"""Gets the request (``settled.web.request.Request``); None keeps the dashboard closed."""

_FORWARDED = ("forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip")
_LOCAL_NAMES = ("localhost", "localhost.", "ip6-localhost")


def on_this_machine(request: Request) -> Access | None:
    """Let in whoever comes from this machine itself, to it by its own name, and not through a proxy."""
    return None if why_closed(request) else Access("write", "somebody on this machine")


def why_closed(request: Request) -> str | None:
    """Why a request does not come from this machine itself; None if it does."""
    scope = request.scope
    if not _is_loopback((scope.get("client") or ("",))[0]):
        return "it does not come from a loopback address"
    through = next((name for name in request.headers if name in _FORWARDED or name.startswith("x-forwarded-")), None)
    if through is not None:
        return f"it came through a proxy, by its header {through}"
    if scope.get("http_version") == "1.0":
        return "it speaks HTTP/1.0, as a proxy does and no browser"
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"host"]
    if len(hosts) != 1 or not _is_local(hosts[0]):
        return f"it was sent to the host {hosts[0][:60] if hosts else '(none)'}, which is no name of this machine alone"
    return None


def granted(value: object, request: Request) -> Access | None:
    """What a hook has returned, checked."""
    if value is None:
        return None
    if isinstance(value, str) and value in ("read", "write"):
        return Access("read" if value == "read" else "write", _who(request))
    if isinstance(value, tuple) and len(value) == 2 and value[0] in ("read", "write") and isinstance(value[1], str):
        return Access(value[0], value[1])
    raise BadInput(f'access= returned {value!r}. Return None, "read", "write" or Access(role, who).')


def same_origin(scope: Scope, *, strictly: bool) -> bool:
    """Whether a change is asked for by a page of this very origin, as far as the browser says where it comes from.

    A proxy may send another Host than the browser did, and then the browser's own word on the site is enough;
    ``strictly``, where there is to be no proxy, it is not.
    """
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    if site is not None and site != "same-origin":
        return False
    if origin is None or (site is not None and not strictly):
        return True
    return bool(urlsplit(origin).netloc.lower() == headers.get(b"host", "").lower())


def _who(request: Request) -> str:
    user: Any = request.user
    named = next((getattr(user, name) for name in ("display_name", "username") if getattr(user, name, None)), None)
    return str(named) if named else f"somebody at {(request.scope.get('client') or ('an unknown address',))[0]}"


def _is_local(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name in _LOCAL_NAMES or name.endswith(".localhost") or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)
