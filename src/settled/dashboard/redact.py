"""What of arguments and results is not shown: what is named like a password, and what the application says."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from settled.json_text import decoded
from settled.runner.text import shown

log = logging.getLogger("settled.dashboard")

Hook = Callable[[str, str, Any], Any]
"""Gets the task function's name, ``"arguments"`` or ``"result"``, and the value; returns the value to show."""
Names = Callable[[str], list[str]]
"""Gets a task function's name; returns the names of its parameters, as far as they are known here."""
HIDDEN = "•••"
_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_SECRET = frozenset(
    {
        "password", "passwort", "passwd", "passphrase", "passcode", "pwd", "secret", "secrets", "token", "credential",
        "credentials", "authorization", "auth", "cookie", "cookies", "apikey", "otp", "pin", "cvv", "cvc", "jwt",
    }
)  # fmt: skip
_KEYS = frozenset({"api", "access", "private", "secret", "signing", "encryption"})
_LONGEST = 10_000_000


class Redactor:
    """Decodes what a task was given or has returned, for people to read."""

    def __init__(self, hook: Hook | None = None, names: Names = lambda name: []) -> None:
        self._hook = hook
        self._names = names

    def arguments(self, name: str, text: str) -> Any:
        """The arguments: ``{"args": […], "kwargs": {…}}``, or whatever was written there by hand."""
        value = decoded(text)
        if isinstance(value, dict) and isinstance(value.get("args"), list):
            named = self._names(name)
            args = [
                HIDDEN if number < len(named) and is_secret(named[number]) else one
                for number, one in enumerate(value["args"])
            ]
            value = {**value, "args": args}
        return self._hooked(name, "arguments", clean(value))

    def result(self, name: str, text: str) -> Any:
        """The result."""
        return self._hooked(name, "result", clean(decoded(text)))

    def _hooked(self, name: str, kind: str, value: Any) -> Any:
        if self._hook is None:
            return value
        try:
            return self._hook(name, kind, value)
        except Exception:
            log.exception("redact= failed for the %s of %s, which are not shown", kind, name)
            return f"{HIDDEN} (redact= failed; the log says how)"


def clean(value: Any) -> Any:
    """The value without what is named like a password, and without credentials in addresses and texts."""
    if isinstance(value, Mapping):
        return {key: HIDDEN if is_secret(str(key)) and one is not None else clean(one) for key, one in value.items()}
    if isinstance(value, list):
        return [clean(one) for one in value]
    return shown(value, _LONGEST) if isinstance(value, str) else value


def is_secret(name: str) -> bool:
    """Whether something of this name is likely a secret: ``db_password``, ``apiKey``, ``X-Auth-Token``."""
    words = [word.lower() for word in _WORDS.findall(name)]
    return bool(_SECRET.intersection(words)) or ("key" in words and bool(_KEYS.intersection(words)))


def as_json(value: Any, *, indent: int | None = None) -> str:
    """JSON as people read it; whatever a hook returned can be shown."""
    separators = None if indent else (",", ":")
    return json.dumps(value, indent=indent, ensure_ascii=False, separators=separators, default=str)
