"""The clients under test: one file each, whose first line says what it is."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ADAPTERS = HERE / "adapters"
FACES = {
    "json": "settled's JSON; a server that can only be polled",
    "held": "settled's JSON; the server holds requests that prefer to wait",
    "stream": "settled's JSON; the server holds requests, and streams to whoever accepts it",
    "events": "server-sent events alone",
    "celery": "the words of celery-progress's view",
    "html": "fragments for htmx",
}
ORDER = [
    "settled", "settled-held", "settled-poll", "settled-element", "settled-python", "tanstack", "tanstack-hardened",
    "swr", "swr-hardened", "htmx2", "htmx2-hardened", "htmx4", "htmx4-hardened", "fetch-event-source",
    "fetch-event-source-hardened", "eventsource", "eventsource-hardened", "celery-progress", "set-interval",
    "set-interval-hardened",
]  # fmt: skip


@dataclass(frozen=True)
class Client:
    """One column. ``gives_up``: after how many seconds, by its documentation, it gives up at the latest."""

    key: str
    title: str
    face: str
    package: str = ""
    setup: str = ""
    gives_up: float = 0.0
    python: bool = False

    @property
    def ours(self) -> bool:
        return self.key.startswith("settled")


PYTHON = Client("settled-python", "settled.wait", "held", "settled", "in Python; grace=2, patience=5", python=True)


def read(path: Path) -> Client:
    """What a file's first line says: a comment that holds a JSON object."""
    match = re.match(r"\s*/\*\s*(\{.*?\})\s*\*/", path.read_text("utf-8"))
    if match is None:
        raise SystemExit(f'{path}: begin it with a line like /* {{"title": "mine", "face": "json"}} */')
    client = Client(path.stem, **json.loads(match[1]))
    if client.face not in FACES:
        raise SystemExit(f"{path}: its face is none of {', '.join(FACES)}")
    return client


def find(folder: Path = ADAPTERS) -> list[Client]:
    """All of them, in the order of the table."""
    found = [read(path) for path in folder.glob("*.js")] + [PYTHON]
    return sorted(found, key=lambda client: ORDER.index(client.key) if client.key in ORDER else len(ORDER))


def versions(keys: Sequence[str]) -> dict[str, str]:
    """Of the packages that are compared, as the lock file has them."""
    lock = json.loads((HERE / "package-lock.json").read_text("utf-8"))["packages"]
    pinned = re.search(r"celery-progress==(\S+)", (HERE / "requirements.txt").read_text("utf-8"))
    assert pinned is not None
    found = {key: lock[f"node_modules/{key}"]["version"] for key in keys if f"node_modules/{key}" in lock}
    return {**found, "celery-progress": pinned[1]} if "celery-progress" in keys else found
