"""What a person may do to a key, whatever function it is of: machines for ``steps``, and the same for the command line.

A hand never reaches past a refresh that is under way: that is cancelled first, so that nothing it brings can follow.
"""

from __future__ import annotations

from settled.errors import NotAllowed
from settled.ids import new_id
from settled.latest.answer import Latest, Look, answer_of
from settled.latest.options import Options
from settled.latest.steps import TRIES, Asking, Ending, Looking, Machine, Writing, run
from settled.ledger import SUBMIT_PATIENCE, Ledger
from settled.records import LatestPolicy, LatestRow, Snapshot
from settled.stores.base import Purge, Put, Refresh


def putting(name: str, key: str, text: str, policy: LatestPolicy) -> Machine[None]:
    """A value by hand, as JSON text."""
    gone = None
    for _ in range(TRIES):
        if (yield Writing("put", Put(name, key, text, policy, gone), SUBMIT_PATIENCE)):
            return
        gone = yield from _ending_refresh(name, key, "The value was set by hand.")
    raise NotAllowed(f"{key!r} is being refreshed again and again. Nothing was set; try again.")


def purging(name: str, key: str) -> Machine[bool]:
    """A key forgotten; whether there was one."""
    gone = None
    for _ in range(TRIES):
        if (yield Writing("purge", Purge(name, key, gone), SUBMIT_PATIENCE)):
            return True
        if not (yield Asking("latest", ([(name, key)],))):
            return False
        gone = yield from _ending_refresh(name, key, "The key was purged.")
    raise NotAllowed(f"{key!r} is being refreshed again and again. Nothing was purged; try again.")


def _ending_refresh(name: str, key: str, message: str) -> Machine[str | None]:
    looks: list[Look] = yield Looking(name, [key])
    task = looks[0].row.task
    if task is None:
        return None
    gone: str | None = yield Ending(task, message)
    return gone


# -- for who has no function at hand


def look(ledger: Ledger, name: str, key: str) -> Latest:
    """A key as it stands, by the policy that its row has kept; starts nothing."""
    found = Looking(name, [key]).run(ledger)[0]
    return answer_of(found, Options(_policy(found.row), None))


def put(ledger: Ledger, name: str, key: str, text: str) -> Latest:
    """Set a value, as JSON text."""
    row = Looking(name, [key]).run(ledger)[0].row
    run(putting(name, key, text, _policy(row)), ledger)
    return look(ledger, name, key)


def purge(ledger: Ledger, name: str, key: str) -> bool:
    """Forget a key; whether there was one."""
    return run(purging(name, key), ledger)


def refresh(ledger: Ledger, name: str, key: str) -> Latest:
    """Start a refresh like the last one, unless one is under way; raise ``NotAllowed`` if nothing is known of that."""
    row, task = Looking(name, [key]).run(ledger)[0]
    if task is None:
        last = next(iter(ledger.store.read([row.task])), None) if row.task else None
        if last is None:
            raise NotAllowed(
                f"The ledger does not know any more how {key!r} of {name} is refreshed: it never was, or that task was "
                "pruned. Have the application do it."
            )
        again: Snapshot = last._replace(latest=None)  # which is what bars it from being tried again as a task
        new = ledger.again(again)._replace(key=None, retry_of=None)
        ledger.change("refresh", [[Refresh(key, new_id(ledger.store.now()), new, _policy(row), force=True)]])
    return look(ledger, name, key)


def _policy(row: LatestRow) -> LatestPolicy:
    return LatestPolicy(row.fresh_ms, row.retry_ms, row.retry_cap_ms, row.keep_ms, row.history)
