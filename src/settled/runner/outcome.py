"""What an attempt came to, made storable before anything is written.

Nothing that a task function returns or raises may make the terminal write fail: the result is
JSON text by the time it leaves this module, and an exception is plain strings.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import inspect
import json
import pathlib
import traceback
import uuid
from typing import Any, NamedTuple

from settled import json_text
from settled.errors import PublicError, TryLater
from settled.misfit import complaint
from settled.runner.text import kind_of, shown, storable
from settled.states import Reason

MESSAGE_LIMIT = 2_000
TRACEBACK_LIMIT = 20_000
PUBLIC = "PublicError"
"""The error type under which a message that is meant for users is stored."""


class Outcome(NamedTuple):
    """How one attempt ended; ``reason`` is None when it completed. Plain strings, so it crosses a pipe as JSON."""

    reason: Reason | None
    result_data: str | None = None
    message: str | None = None
    error_type: str | None = None
    traceback: str | None = None
    retry: bool = True
    retry_after_ms: int | None = None


def completed(value: Any, limit: int) -> Outcome:
    """The outcome of returning ``value``: its JSON text of at most ``limit`` bytes, or ``result_rejected``."""
    if value is None:
        return Outcome(None, "null")
    try:
        text = _dumps(value)
        if "\\ud" in text:  # half of a pair could be kept, but most status routes would fail to encode it at every poll
            json.dumps(json.loads(text), ensure_ascii=False).encode()
    except BaseException as error:  # a property, an iterator or a __str__ of the result may raise anything
        return _rejected(value, error)
    if len(text) > limit:
        return Outcome(
            Reason.RESULT_REJECTED,
            message=f"The result is {len(text):,} bytes of JSON, more than the {limit:,} allowed. "
            "Store it elsewhere (a file, a table) and return where, or raise max_result_bytes.",
        )
    return Outcome(None, text)


def completed_each(values: Any, number: int, limit: int) -> Outcome:
    """The outcome of a call for ``number`` items, whose result is the JSON of a list: the outcome of each item.

    The call returns a list with a result or an exception for each. Without such a list no item has a result.
    """
    if not isinstance(values, (list, tuple)) or len(values) != number:
        found = f"a list of {len(values):,}" if isinstance(values, (list, tuple)) else kind_of(values)
        each = [
            Outcome(
                Reason.RESULT_REJECTED,
                message=f"The call was given {number:,} items and returned {found}. Return a list with one "
                "result, or one exception, for each item, in their order.",
            )
        ] * number
    else:
        each = [raised(value) if isinstance(value, BaseException) else completed(value, limit) for value in values]
    return Outcome(None, json.dumps(each))


def of_each(outcome: Outcome, number: int) -> list[Outcome]:
    """The outcomes of the items of such a call; whatever else ended it, ended it for all of them."""
    if outcome.reason is not None or outcome.result_data is None:
        return [outcome] * number
    return [
        Outcome(None if reason is None else Reason(reason), *rest) for reason, *rest in json.loads(outcome.result_data)
    ]


def raised(error: BaseException) -> Outcome:
    """The outcome of raising ``error``, whatever it is."""
    out_of_memory = issubclass(type(error), MemoryError)  # its ``__class__`` may raise
    try:
        if out_of_memory:  # what used it up is still held by the calls that it came through
            traceback.clear_frames(error.__traceback__)
        public = isinstance(error, PublicError)
        return Outcome(
            Reason.EXCEPTION,
            message=shown(_described(error), MESSAGE_LIMIT),
            error_type=PUBLIC if public else _type_name(error),
            traceback=_traceback(error),
            retry=error.retry if isinstance(error, PublicError) else True,
            retry_after_ms=round(error.seconds * 1000) if isinstance(error, TryLater) else None,
        )
    except BaseException:  # not even describing it is safe, e.g. out of memory
        return Outcome(
            Reason.EXCEPTION,
            message="The task function raised an error that cannot be described.",
            error_type="MemoryError" if out_of_memory else "Exception",
        )


def _jsonable(value: Any) -> Any:
    """The obvious JSON form of what JSON does not know; ``TypeError`` where there is none."""
    if hasattr(value, "model_dump"):  # pydantic
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, (set, frozenset)):
        try:
            return sorted(value)
        except TypeError:
            return list(value)
    if isinstance(value, (uuid.UUID, decimal.Decimal, pathlib.PurePath)):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    raise TypeError(f"{kind_of(value)} has no JSON form")


_dumps = json_text.writer(_jsonable)


def _rejected(value: Any, error: BaseException) -> Outcome:
    why = _text(error)
    if "Circular" in why or isinstance(error, RecursionError):
        why = "it refers to itself"
    elif isinstance(error, (TypeError, ValueError)):  # the encoder's; what else the value raises it may raise again
        why = complaint(value, why, _jsonable)
    if inspect.iscoroutine(value):
        value.close()
        why = (
            "it was never awaited. The function is async inside and not outside, as by a decorator: make that one async"
        )
    if isinstance(error, UnicodeEncodeError):
        half = complaint(value, f"U+{ord(error.object[error.start]):04X}", _jsonable, halves=True)
        why = (
            f"its text holds {half}, half of a surrogate pair, which is no character and has no UTF-8: a text "
            "was cut inside an emoji, or a file's name is no UTF-8. "
            "Mend it, for example with text.encode(errors='replace').decode()"
        )
    if isinstance(value, (bytes, bytearray)):
        why = "bytes have no JSON form; return text, e.g. base64"
    return Outcome(
        Reason.RESULT_REJECTED,
        message=shown(
            f"The result, {kind_of(value)}, cannot be stored as JSON: {why}. Return what JSON can hold.", MESSAGE_LIMIT
        ),
        error_type=storable(type(error).__name__),
    )


def _described(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"The task function called sys.exit({_text_of(error.code)})."
    said = _text(error) or f"{type(error).__name__} was raised without a message."
    if isinstance(error, BaseExceptionGroup):
        said += f" [{'; '.join(f'{type(inner).__name__}: {_text(inner)[:200]}' for inner in error.exceptions[:5])}]"
    cause = error.__cause__
    if cause is not None and not isinstance(error, PublicError):  # what is meant for users says no more than it says
        detail = _text_of(cause)[:500]
        said = f"{said[:MESSAGE_LIMIT]} (caused by {type(cause).__name__}{': ' + detail if detail else ''})"
    return said


def _type_name(error: BaseException) -> str:
    """The name of the error's class; never the one that lets a message through to the public."""
    name = storable(type(error).__name__)
    return f"{storable(type(error).__module__)}.{name}" if name == PUBLIC else name


def _text(error: BaseException) -> str:
    if isinstance(error, KeyError) and error.args:  # its str() is the bare key
        return f"KeyError: {_text_of(repr(error.args[0]))}"
    return _text_of(error)


def _text_of(value: object) -> str:
    try:
        return str(value)
    except BaseException as failure:
        return f"({kind_of(value)} whose str() raises {type(failure).__name__})"


def _traceback(error: BaseException) -> str | None:
    try:
        return shown("".join(traceback.format_exception(error, limit=40)), TRACEBACK_LIMIT)
    except BaseException:
        return None
