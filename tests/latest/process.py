"""A make-believe process that reads keys of ``traffic`` on a host; its tasks run, and end, by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from settled.function import TaskFunction, describe
from settled.latest import LatestFunction
from settled.latest.options import options_of
from settled.ledger import Ledger
from settled.policy import Policy
from settled.records import NewTask, Snapshot
from settled.states import Reason, Status
from settled.task import Task
from tests.core.host import Host
from tests.stores.making import failure, success

POLICY = Policy(timeout=10, start_timeout=20, attempts=1, lease=5)


class Process:
    """One process of a host; ``claims``: a refresh that it starts is born claimed by it."""

    def __init__(self, host: Host, *, claims: bool = True, **options: Any) -> None:
        self.ledger = host.ledger(worker=True, names=["traffic"])
        self.claims = claims
        self.traffic = latest_of(self, **options)

    # -- latest.steps.Home

    @property
    def at_hand(self) -> Ledger:
        return self.ledger

    runs_tasks = True

    @property
    def run_tasks(self) -> Callable[[], None]:
        return lambda: None

    def before_start(self, new: NewTask) -> NewTask:
        return new._replace(worker=self.ledger.worker) if self.claims else new

    # -- what an engine does

    def claim(self) -> list[Snapshot]:
        return self.ledger.claim(str(self.ledger.worker), ["traffic"], 1)

    def running(self) -> list[Snapshot]:
        rows = self.ledger.list(status="running", name="traffic")
        return [row for row in rows if row.worker == self.ledger.worker]

    def succeed(self, value: str = '"good"') -> None:
        """Let what runs here end well."""
        for row in self.running():
            assert self.ledger.settle_now(success(row, value))

    def fail(self, message: str = "It broke.", reason: Reason = Reason.EXCEPTION, **changes: Any) -> None:
        for row in self.running():
            assert self.ledger.settle_now(failure(row._replace(status=Status.RUNNING), reason, message, **changes))


class _Nobody:
    def submit_new(self, new: NewTask, connection: Any = None) -> Task:
        raise AssertionError

    def asubmit_new(self, new: NewTask, connection: Any = None) -> Any:
        raise AssertionError


def latest_of(home: Any, **options: Any) -> LatestFunction[[str], str]:
    def traffic(domain: str) -> str:
        raise AssertionError("it is run by hand")

    key = options.pop("key", None)
    chosen = options_of(**{**DEFAULTS, **options})
    described, isolation = describe(
        traffic, name="traffic", isolation=None, memory_limit=None, kill_grace=1, max_result_bytes=1_000_000
    )
    return LatestFunction(TaskFunction(traffic, _Nobody(), described, POLICY, isolation), home, chosen, key)


DEFAULTS: dict[str, Any] = {
    "fresh_for": 60, "retry_after": 1, "retry_cap": 8, "stale_for": None, "max_age": None, "history": 0,
}  # fmt: skip
