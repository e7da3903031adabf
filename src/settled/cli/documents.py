"""What ``--json`` prints. Field names are those of the HTTP surface; what is private is added here only."""

from __future__ import annotations

import json
from typing import Any

from settled.json_text import decoded
from settled.records import Ending, Finding, Snapshot
from settled.times import instant_text


def show(document: Any) -> None:
    """Print one JSON document on one line, in ASCII: it survives every terminal, pipe and encoding."""
    print(json.dumps(document))


def task(row: Snapshot) -> dict[str, Any]:
    """Everything that the ledger knows of a task. Durations in seconds, instants in RFC 3339."""
    failed = {"reason": row.reason, "message": row.error_message, "type": row.error_type}
    progress = {"fraction": row.progress, "message": row.progress_message}
    return {
        "id": row.id,
        "name": row.name,
        "status": row.status,
        "settled": row.settled,
        "result": decoded(row.result_data),
        "error": failed if row.error_message is not None else None,
        "progress": progress if row.progress is not None or row.progress_message is not None else None,
        "attempt": row.attempt,
        "max_attempts": row.max_attempts,
        "created_at": instant_text(row.created_at),
        "started_at": _instant(row.started_at),
        "finished_at": _instant(row.finished_at),
        "due_at": None if row.settled else instant_text(row.due_at),
        "deadline_at": None if row.settled else instant_text(row.deadline_at),
        "settles_at": instant_text(row.settles_at),
        "settles_in": row.settles_in,
        "timeout": row.timeout_ms / 1000,
        "lease": row.lease_ms / 1000,
        "backoff": row.backoff_ms / 1000,
        "arguments": decoded(row.arguments),
        "key": row.key,
        "owner": row.owner,
        "worker": row.worker,
        "retry_of": row.retry_of,
        "previous_error": row.previous_error,
        "traceback": row.traceback,
        "as_of": instant_text(row.as_of),
    }


def ending(ended: Ending) -> dict[str, Any]:
    """How a wait ended."""
    return {
        "end": ended.end,
        "reason": ended.reason,
        "message": ended.message,
        "task": None if ended.snapshot is None else task(ended.snapshot),
    }


def findings(found: list[Finding]) -> dict[str, Any]:
    """A doctor's report."""
    return {
        "healthy": all(finding.level != "broken" for finding in found),
        "findings": [finding._asdict() for finding in found],
    }


def readable(text: str, indent: int | None = None) -> str:
    """JSON text as people read it: no escapes where the letter itself can be shown."""
    return json.dumps(decoded(text), indent=indent, ensure_ascii=False)


def _instant(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else instant_text(milliseconds)
