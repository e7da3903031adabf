"""Task functions for several items at once; each item says what is to become of it."""

from __future__ import annotations

import asyncio
import os
import pathlib
import time
import uuid
from typing import Any


def each(items: list[Any]) -> Any:
    """Note how many came together, then do with each, or with all, what it says."""
    folder = pathlib.Path(items[0]["folder"])
    (folder / f"call-{uuid.uuid4()}").write_text(str(len(items)), "ascii")
    wishes = {item["do"]: item for item in items}
    if "raise" in wishes:
        raise ValueError("the whole call")
    if "exit" in wishes:
        os._exit(7)
    if "short" in wishes:
        return [1] * (len(items) - 1)
    if "none" in wishes:
        return None
    if "hang" in wishes or "wait" in wishes:
        wait(folder)
    return [outcome(item, folder) for item in items]


def outcome(item: dict[str, Any], folder: pathlib.Path) -> Any:
    if item["do"] == "fail":
        return ValueError(f"item {item['value']}")
    if item["do"] == "flaky":
        try:
            (folder / f"seen-{item['value']}").touch(exist_ok=False)
        except FileExistsError:
            return item["value"]
        return OSError("not yet")
    return {1} if item["do"] == "set" else float("nan") if item["do"] == "nan" else item["value"]


def wait(folder: pathlib.Path) -> None:
    """Until a file is there, for a bounded time."""
    (folder / "waiting").touch()
    end = time.monotonic() + 60
    while not (folder / "go").exists() and time.monotonic() < end:
        time.sleep(0.01)


async def aeach(items: list[Any]) -> Any:
    """The same on an event loop; what waits lets it go on."""
    if any(item["do"] in ("hang", "wait") for item in items):
        folder = pathlib.Path(items[0]["folder"])
        (folder / f"call-{uuid.uuid4()}").write_text(str(len(items)), "ascii")
        (folder / "waiting").touch()
        end = time.monotonic() + 60
        while not (folder / "go").exists() and time.monotonic() < end:  # noqa: ASYNC110  any process may make the file
            await asyncio.sleep(0.01)
        return [outcome(item, folder) for item in items]
    return each(items)
