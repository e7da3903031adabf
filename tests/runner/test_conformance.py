"""One suite for the three isolations: whatever a function raises or returns, its task settles, rightly and alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from settled import Reason, Snapshot, Status
from tests.runner import functions
from tests.runner.stage import ISOLATIONS, Stage

ERRORS: dict[str, tuple[str, str]] = {
    "plain": ("ValueError", "no such page"),
    "empty": ("ValueError", "ValueError was raised without a message."),
    "blank": ("ValueError", "ValueError was raised without a message."),
    "cause": ("RuntimeError", "cannot load the page (caused by ConnectionError: refused by 10.0.0.1)"),
    "cause of itself": ("ValueError", "chicken and egg"),
    "group": ("ExceptionGroup", "two went wrong (2 sub-exceptions) [ValueError: first; KeyError: "),
    "base group": ("BaseExceptionGroup", "ValueError: first"),
    "str raises": ("StrRaises", "(a StrRaises whose str() raises RuntimeError)"),
    "str exits": ("StrExits", "(a StrExits whose str() raises SystemExit)"),
    "str is none": ("StrIsNone", "(a StrIsNone whose str() raises TypeError)"),
    "unreadable": ("", ""),
    "needs arguments": ("NeedsArguments", "odd (7)"),
    "ten megabytes": ("ValueError", "(10,000,000 characters in all)"),
    "ten hyphenated megabytes": ("ValueError", "(10,000,000 characters in all)"),
    "nul and surrogates": ("ValueError", "a\ufffdb\ufffdc"),
    "credentials": ("ConnectionError", "postgres://***@db refused"),
    "system exit": ("SystemExit", "called sys.exit(3)"),
    "system exit with words": ("SystemExit", "called sys.exit(bye)"),
    "system exit of success": ("SystemExit", "called sys.exit(0)"),
    "keyboard interrupt": ("KeyboardInterrupt", "KeyboardInterrupt was raised without a message."),
    "cancelled": ("CancelledError", "CancelledError was raised without a message."),
    "generator exit": ("GeneratorExit", "GeneratorExit was raised without a message."),
    "stop iteration": ("", ""),  # Python makes a RuntimeError of it in a coroutine
    "memory": ("MemoryError", "MemoryError was raised without a message."),
    "recursion": ("RecursionError", "maximum recursion depth exceeded"),
    "key": ("KeyError", "'page'"),
    "timeout": ("TimeoutError", "upstream"),
    "public": ("PublicError", "This address does not exist."),
}

ACCEPTED: dict[str, object] = {
    "none": None,
    "text": "ü \N{PILE OF POO} \"' \\",
    "numbers": [1, -2.5, 10**30, True],
    "tuple": [1, [2]],
    "named tuple": [1, 2],
    "whole keys": {"1": "a"},
    "datetime": "2026-01-02T03:04:05+00:00",
    "date and time": ["2026-01-02", "03:04:00", 60.0],
    "set": [1, 2, 3],
    "mixed set": [1],
    "frozen set": ["a"],
    "dataclass": {"url": "a", "at": "2026-01-02", "inner": {"url": "b", "at": "2026-01-02", "inner": None}},
    "pydantic": {"url": "a", "at": "2026-01-02T03:04:05Z"},
    "enum": ["red"],
    "uuid, decimal, path": ["00000000-0000-0000-0000-000000000001", "1.50", "/a"],
    "nul": {"a\x00": "b\x00c"},
    "pairs": {"a": "\U0001f600", "\\ud83d": "\\u0000"},
}

REJECTED: dict[str, str] = {
    "nan": "a float, cannot be stored as JSON: nan is no number of JSON",
    "inner infinity": "a dict, cannot be stored as JSON: inf is no number of JSON, at ['a'][0]",
    "half of a pair": "a dict, cannot be stored as JSON: its text holds U+D83D, at ['a'], half of a surrogate pair",
    "half of a pair as a key": "its text holds U+DCFF, at [0]['\\udcff'], half of a surrogate pair",
    "bytes": "bytes have no JSON form; return text, e.g. base64",
    "inner bytes": "a bytes has no JSON form, at ['a']",
    "cyclic": "a list, cannot be stored as JSON: it refers to itself",
    "cyclic dataclass": "a Page, cannot be stored as JSON: it refers to itself",
    "deep": "a list, cannot be stored as JSON",
    "object": "an object has no JSON form",
    "function": "a function has no JSON form",
    "class": "a type has no JSON form",
    "generator": "a generator has no JSON form",
    "complex": "a complex has no JSON form",
    "tuple keys": "keys must be str",
    "broken model": "a BrokenModel, cannot be stored as JSON",
    "raising dict": "no items",
    "endless integer": "4300 digits",
    "fifty megabytes": "50,000,002 bytes of JSON, more than the 100,000 allowed. Store it elsewhere",
    "lock": "a lock has no JSON form",
}

isolations = pytest.mark.parametrize("isolation", ISOLATIONS)


def rows_of(stage: Stage, function: Callable[[str], object], names: Iterable[str]) -> dict[str, Snapshot]:
    """How the task stands after each of these calls, all submitted at once: none harms another."""
    names = list(names)
    return dict(zip(names, stage.run_all(function, [(name,) for name in names]), strict=True))


def test_every_exception_and_every_result_is_in_a_table() -> None:
    assert set(ERRORS) == set(functions.EXCEPTIONS)
    assert ACCEPTED.keys() | REJECTED.keys() == set(functions.RESULTS)


@isolations
def test_whatever_is_raised_fails_the_task_with_a_message_that_can_be_shown(isolation: str, tmp_path: Path) -> None:
    rows = rows_of(Stage(tmp_path, isolation), functions.fail, ERRORS)
    assert {name: wrong for name, row in rows.items() if (wrong := wrong_with_failure(row, *ERRORS[name]))} == {}


def wrong_with_failure(row: Snapshot, error_type: str, said: str) -> list[object]:
    message, traceback = row.error_message or "", row.traceback or ""
    (message + traceback).encode()
    checks = {
        "status": (row.status, row.reason, row.attempt) == (Status.FAILED, Reason.EXCEPTION, 1),
        "type": error_type in (row.error_type, ""),
        "message": message != "" and said in message and len(message) < 2_100,
        "no traceback in it": "Traceback" not in message and ".py" not in message,
        "a traceback beside it": "functions.py" in traceback or error_type == "",
        "length of the traceback": len(traceback) < 21_000,
        "credentials": "hunter2" not in message + traceback,
        "nul": "\x00" not in message + traceback,
    }
    return [row, *(name for name, holds in checks.items() if not holds)] if not all(checks.values()) else []


@isolations
def test_results_with_an_obvious_json_form_are_kept_and_others_rejected(isolation: str, tmp_path: Path) -> None:
    rows = rows_of(Stage(tmp_path, isolation), functions.result, [*ACCEPTED, *REJECTED])
    kept = {name: (rows[name].status, rows[name].error_message, rows[name].result) for name in ACCEPTED}
    assert kept == {name: (Status.COMPLETED, None, result) for name, result in ACCEPTED.items()}
    for row in rows.values():
        json.dumps(row.result, allow_nan=False).encode()
    rejected = {name: (rows[name].status, rows[name].reason, rows[name].result_data) for name in REJECTED}
    assert rejected == dict.fromkeys(REJECTED, (Status.FAILED, Reason.RESULT_REJECTED, None))
    messages = {name: rows[name].error_message or "" for name in REJECTED}
    assert {name: said for name, said in messages.items() if REJECTED[name] not in said or len(said) > 2_100} == {}
