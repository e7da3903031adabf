"""JSON text as this library writes and reads it, at half the cost of ``json``: each task is written and read twice."""

from __future__ import annotations

import json
import json.encoder
from collections.abc import Callable
from typing import Any, NoReturn

_read = json.JSONDecoder().raw_decode
_make_parts: Any = getattr(json.encoder, "c_make_encoder", None)  # CPython has it


def loads(text: str) -> Any:
    """What a JSON text stands for; ours has no white space around it, which need not be looked for."""
    try:
        value, end = _read(text)
    except ValueError:
        return json.loads(text)
    return value if end == len(text) else json.loads(text)


def writer(default: Callable[[Any], Any] | None = None) -> Callable[[Any], str]:
    """``JSONEncoder.encode`` without NaN, which does not make all of its parts anew at each call."""
    encoder = json.JSONEncoder(default=default, allow_nan=False, separators=(",", ":"))
    if _make_parts is None:
        return encoder.encode
    escaped = json.encoder.encode_basestring_ascii
    parts = _make_parts(None, encoder.default, escaped, None, ":", ",", False, False, False)

    def dumps(value: Any) -> str:
        try:
            return "".join(parts(value, 0))
        except RecursionError:  # too deep, or it refers to itself: the whole encoder tells
            return encoder.encode(value)

    return dumps


def decoded(text: str | None) -> Any:
    """The value of JSON text; the text itself where code that writes rows by hand put something else."""
    try:
        return None if text is None else json.loads(text, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return text


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
