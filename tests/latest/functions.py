"""Latest functions for real refreshes, also in processes of their own."""

from __future__ import annotations

from typing import Any

from settled import Context, TryLater


def in_process(key: str, context: Context) -> Any:
    if key == "later":
        raise TryLater("90", "The upstream answered 429.")
    return {"key": key, "attempt": context.attempt}


async def on_loop(key: str) -> Any:
    return in_process(key, Context("", 1, 1, 0.0, lambda fraction, message: None))


def many(keys: list[str]) -> list[Any]:
    return [RuntimeError("It broke.") if key == "broken" else {"key": key, "of": len(keys)} for key in keys]
