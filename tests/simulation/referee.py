"""Watches a run, and says what of the contract was broken.

It sees every row that changes, at the instant of the commit; what each attempt really did; what everybody who
waited was told; and, at each task's bound, what a reader is told that cannot write.
"""

from __future__ import annotations

import json
import traceback
from typing import Any

from settled.errors import SettledError
from settled.ledger import Ledger
from settled.machine import PATIENCE
from settled.records import Ending, NewTask, Snapshot, Verdict
from settled.states import MOVES, End, Reason, Status
from settled.stores.base import EXPIRY_MARGIN_MS
from tests.simulation.cast import DRAIN
from tests.simulation.outside import Outsider
from tests.simulation.plan import LEASE
from tests.simulation.referee_of_batches import Batches
from tests.simulation.referee_of_keys import Keys
from tests.simulation.stand_ins import EPOCH_MS
from tests.simulation.store import LONGEST, SimStore

SLACK = 3.0
"""Seconds in which what nothing prevents is done."""
WRITTEN = 1.2
"""Seconds in which a verdict is, that nothing prevents any more: it is tried four times a second."""
TO_BEGIN = 0.5
"""Seconds from a claim to the beginning, where nothing is wrong."""
BEGIN_AGAIN = 1.5
"""Seconds more that a process takes which could not begin, or enlist, before it looks for work."""


class Referee:
    """Judges one run."""

    def __init__(self, stage: Any) -> None:
        self.stage = stage
        self.world = stage.world
        self.broken: list[str] = []
        self.history: list[tuple[Any, ...]] = []
        self.changes: list[tuple[int, str, Any, Snapshot | None, Snapshot | None]] = []
        self.told: dict[str, Reason | None] = {}
        self.began: set[tuple[str, int]] = set()
        """The attempts whose work began."""
        self.outcomes: dict[tuple[str, int], Any] = {}
        self.decisions: dict[tuple[str, int], tuple[float, Any, Verdict]] = {}
        self.occupied: dict[Any, float] = {}
        """When, of each process, the newest of its attempts ended whose place was taken until then."""
        self.put_back: dict[str, float] = {}
        """When, of each task, the newest word that it gets another attempt was written."""
        self.cancelled: set[str] = set()
        self.processes: dict[str, Any] = {}
        self.waiters: list[Waiter] = []
        self.attempts: dict[str, int] = {}
        self.lanes: dict[str, int] = {}
        """When the newest start in a lane was."""
        self.keys = Keys(self)
        self.batches = Batches(self)
        self.open: set[str] = set()
        """The tasks that have not settled."""
        self.looking = 0
        reader = Outsider(-9)
        reader.reads_only = True
        self._reader = reader
        self._ledger = Ledger(SimStore(stage.server, reader))
        self._ledger.store._closed = False  # type: ignore[attr-defined]

    def expect(self, true: object, what: str, *about: object) -> None:
        if not true:
            self.broken.append(f"{what} (at {self.world.now:.3f} s) {' '.join(map(str, about))}".rstrip())

    # -- every change, at its commit

    def changed(
        self, now: int, verb: str, asked: Any, result: Any, before: Snapshot | None, after: Snapshot | None
    ) -> None:
        host = self.world.host
        self.changes.append((now, verb, asked, before, after))
        self.world.happens_in(0.0)
        if after is None:
            self._worker_changed(now, verb, asked)
            return
        self.history.append(
            (now - EPOCH_MS, host.number, verb, after.arguments, after.attempt, after.status, after.reason)
        )
        self._note(after)
        if before is not None:
            self.expect(not before.settled, "a settled task was changed", before.status, after.status)
            if before.status is not after.status:
                self.expect((before.status, after.status) in MOVES, "no such move", before.status, after.status)
            self.expect(after.settles_at == before.settles_at, "the bound was moved")
            self.expect(after.attempt >= before.attempt, "an attempt was taken back")
        if verb == "settle":
            assert before is not None
            self._settled(now, asked, before, after)
        elif after.status is Status.RUNNING and (before is None or before.status is not Status.RUNNING):
            self._begins(now, after)
        if verb == "insert":
            self._born(asked, after)
            if after.latest is not None:
                self.keys.begins(now, after)
        elif after.latest is not None and after.settled:
            self.keys.ends(after)

    def _note(self, row: Snapshot) -> None:
        """Which tasks are open, and when something comes of that."""
        if row.settled:
            self.open.discard(row.id)
            return
        self.open.add(row.id)
        moments = self.world.moments
        moments.add((row.deadline_at - EPOCH_MS) / 1000)
        soon = row.due_at if row.status is Status.PENDING else row.deadline_at - EXPIRY_MARGIN_MS
        moments.add((soon - EPOCH_MS) / 1000)

    def _born(self, asked: NewTask, row: Snapshot) -> None:
        alike = [r for r in self.stage.database.rows.values() if r.key == row.key and r.arguments == row.arguments]
        self.expect(row.key is None or len(alike) == 1, "an idempotency key named two tasks")
        self.looking += 1
        when = (row.settles_at - EPOCH_MS) / 1000 + 0.001
        self.world.call_at(when, self._reader, lambda: self.world.spawn(self._reader, lambda: self._look(row)))

    def _begins(self, now: int, row: Snapshot) -> None:
        begun = self.attempts[row.id] = self.attempts.get(row.id, 0) + 1
        self.expect(begun <= row.max_attempts, "more attempts than allowed", begun, row.max_attempts)
        self.expect(begun == row.attempt, "an attempt's number is not its count", begun, row.attempt)
        if row.lane is not None:
            self._begins_in_lane(now, row)
        for process in self.stage.living():
            for (task_id, attempt), other in list(self._attempts_of(process).items()):
                if task_id == row.id and attempt != row.attempt and not other.decided:
                    self.expect(not self._believes(process, other.row, now), "two attempts hold a valid lease",
                                attempt, row.attempt)  # fmt: skip

    def _begins_in_lane(self, now: int, row: Snapshot) -> None:
        alike = [other for other in self.stage.database.rows.values() if other.lane == row.lane]
        running = sum(other.status is Status.RUNNING for other in alike)
        self.expect(row.lane_places is None or running <= row.lane_places, "more run at once than their limit", running)
        before, self.lanes[str(row.lane)] = self.lanes.get(str(row.lane)), now
        soon = before is not None and row.lane_gap_us is not None and (now - before) * 1000 < row.lane_gap_us - 1_000
        self.expect(not soon, "two started sooner after each other than their limit", before, now)

    def _attempts_of(self, process: Any) -> Any:
        engine = process.service.engine
        return {} if engine is None else engine._attempts

    def _believes(self, process: Any, row: Snapshot, now: int) -> bool:
        """Whether what this process knows says that its attempt may go on.

        What has no process of its own cannot be ended, and is not waited for where a worker's session is missed.
        """
        ledger = process.ledger
        if row.worker in self.stage.server.missed and row.name != "process":
            return False
        lease_left = ledger.membership._renewed_at + ledger.membership.lease - (self.world.now + process.ahead)
        return row.worker == ledger.worker and row.deadline_at > now and lease_left > 0

    def _settled(self, now: int, v: Verdict, before: Snapshot, after: Snapshot) -> None:
        self.expect(v.attempt == before.attempt, "a stale attempt wrote", v.attempt, before.attempt)
        self.expect(v.seen is before.status, "a verdict hit what it was not formed on", v.seen, before.status)
        if before.worker is not None and (v.expiry or v.reason is Reason.CANCELLED):  # it hears of it at its next look
            self.occupied[self.processes.get(str(before.worker))] = self.world.now
        if after.status is Status.PENDING:
            self.put_back[after.id] = self.world.now
        if now >= before.settles_at:
            self.expect(v.expiry and after.status is Status.FAILED, "something else than expiry counted past the bound")
        if after.settled and after.id in self.told:
            said = (Status.FAILED, self.told[after.id])
            self.expect((after.status, after.reason) == said, "a reader was contradicted", said, after.status)
        self._is_true(v, before, after)

    def _is_true(self, v: Verdict, before: Snapshot, after: Snapshot) -> None:
        outcome = self.outcomes.get((after.id, v.attempt))
        if after.status is Status.COMPLETED:
            ended = outcome is not None and outcome.reason is None and outcome.result_data == v.result_data
            self.expect(ended, "completed, though its attempt did not end so", v.attempt)
        if v.reason is Reason.EXCEPTION:
            self.expect(outcome is not None and outcome.reason is v.reason, "an exception that was never raised")
        if v.reason is Reason.CANCELLED:
            self.expect(after.id in self.cancelled, "cancelled by nobody")
        if v.reason is Reason.NEVER_STARTED:
            self._never_started(before)
        if before.status is Status.RUNNING:
            self._was_in_time_for_the_drain(v, before)
        if v.expiry and before.status is Status.RUNNING:
            self._verdict_was_lost(before)
            self._lost_a_worker(v, before)

    def _verdict_was_lost(self, row: Snapshot) -> None:
        """What an attempt came to was known for long, and nothing prevented its writing."""
        decided = self.decisions.get((row.id, row.attempt))
        if decided is None:
            return
        when, process, verdict = decided
        outcome = self.outcomes.get((row.id, row.attempt))
        if outcome is not None and outcome.result_data is not None and "\ud800" in outcome.result_data:
            return  # it cannot be stored
        until = min(self.world.now, (row.settles_at - EPOCH_MS) / 1000)  # past its bound it is refused
        if not process.dead:
            since = max(when, process.trouble_until, self.stage.trouble_until)
            in_time = until - since < WRITTEN
            self.expect(in_time, "a verdict was not written though nothing prevented it", verdict.status)

    def _lost_a_worker(self, v: Verdict, row: Snapshot) -> None:
        lost = v.reason is Reason.WORKER_LOST or (v.error_message or "").startswith("worker_lost")
        process = self.processes.get(str(row.worker))
        if lost and process is not None:
            started = (row.started_at or 0) - EPOCH_MS
            own = process.dead or process.leaving or process.trouble_until > started / 1000 - LEASE
            self.expect(own, "a worker was taken for lost that lives, and of which nothing was wrong", row.worker)

    def _was_in_time_for_the_drain(self, v: Verdict, row: Snapshot) -> None:
        """Of a process that was told to end and had time, what it had claimed begins, and so has an end of its own."""
        process = self.processes.get(str(row.worker))
        if process is None or not process.leaving or (row.id, row.attempt) in self.began:
            return
        why = v.reason or (v.error_message or "").partition(":")[0]
        if why in (Reason.INTERRUPTED, Reason.WORKER_LOST):
            claimed = ((row.started_at or 0) - EPOCH_MS) / 1000
            ailing = max(process.ailing_until, self.stage.trouble_until) > claimed - 1
            late = claimed > process.left_at + DRAIN - TO_BEGIN
            self.expect(ailing or late, "a drain failed what it had time to begin", claimed, process.left_at)

    def _never_started(self, row: Snapshot) -> None:
        """Somebody with a free place, of whom nothing was wrong, could have begun it."""
        if row.lane is not None:
            return  # it may have been full
        plan = self.stage.plan
        end = (row.deadline_at - EPOCH_MS) / 1000
        due = max((row.due_at - EPOCH_MS) / 1000, self.put_back.get(row.id, 0.0))
        since = end - SLACK
        if plan.engine == "remote":  # it is told again after pauses that double, so trouble counts twice
            since = due + (end - due) / 2 - SLACK
        if self.world.now - end > 0.5 or since < due or self.stage.broker.wrong:
            return
        living = list(self.stage.living())
        everybody = {*living, *self.processes.values()}  # also who has died since: a message may have gone to them
        anybody = max((min(process.trouble_until, process.died_at) for process in everybody), default=0.0)
        anybody = max(anybody, self.stage.broker.away_until)
        for process in living:
            engine = process.service.engine
            free = engine is not None and engine._accepting and engine._places.free(row.name) > 1
            own = process.trouble_until if plan.engine == "embedded" else anybody  # a message may go to any of them
            trouble = max(process.loop.held_until, self.stage.trouble_until, own)
            prevented = not free or self.occupied.get(process, 0.0) > since or trouble > since - BEGIN_AGAIN
            self.expect(prevented, "never started, though a worker had a place for it", process.number)

    def _worker_changed(self, now: int, verb: str, asked: Any) -> None:
        host = self.world.host
        if verb == "enlist":
            self.processes[asked.id] = host
        elif verb == "lose" and not asked.gone:
            process = self.processes[asked.worker]
            if process.dead or process.leaving or process.ledger.worker != asked.worker:
                return
            heard = (self.stage.database.workers[asked.worker].heard_at - EPOCH_MS) / 1000
            self.expect(process.trouble_until > heard - 1, "a living worker was declared lost", process.number)
        elif verb == "lose":
            process = self.processes[asked.worker]
            gone = process.dead or process.leaving or process.ledger.worker != asked.worker
            missed = asked.worker in self.stage.server.missed
            self.expect(gone or missed, "a living worker was taken for dead", process.number)

    # -- what attempts do

    def begun(self, process: Any, task_id: str, attempt: int) -> None:
        self.began.add((task_id, attempt))
        row = self.stage.database.rows.get(task_id)
        now = self.stage.server.now()
        mine = self._attempts_of(process).get((task_id, attempt))
        if row is None or mine is None or row.attempt == attempt:
            return
        if row.status is Status.RUNNING and self._believes(process, mine.row, now):
            other = self.processes.get(str(row.worker))
            theirs = None if other is None or other.dead else self._attempts_of(other).get((task_id, row.attempt))
            both = theirs is not None and not theirs.decided and self._believes(other, theirs.row, now)
            self.expect(not both, "two attempts hold a valid lease", attempt, row.attempt)

    def worked(self, task_id: str, attempt: int, outcome: Any) -> None:
        self.outcomes[task_id, attempt] = outcome

    def decided(self, process: Any, verdict: Verdict) -> None:
        self.decisions.setdefault((verdict.id, verdict.attempt), (self.world.now, process, verdict))
        self.occupied[process] = self.world.now

    # -- what readers and waiters are told

    def _look(self, row: Snapshot) -> None:
        """At the bound, for one who cannot write."""
        seen = self._seen(row)
        self.looking -= 1
        if seen is None:
            return
        self.expect(seen.settled, "a reader was told that it is open, past its bound", seen.status)
        if seen.settled:
            self.told.setdefault(row.id, seen.reason)

    def _seen(self, row: Snapshot) -> Snapshot | None:
        """What such a reader is told, once the database can be reached and a server has nothing under way."""
        server, world = self.stage.server, self.world
        under_way = 0.0 if server.rechecks else LONGEST + 1.0
        until = world.now + under_way
        while True:
            try:
                seen = self._ledger.get(row.id)
            except SettledError as error:
                if server.away_until < world.now - 1:
                    self.expect(False, "a reader got no answer", error)
                    return None
                world.sleep(1.0)
                # Counted anew from each look that found nobody: what a server has under way may have begun just
                # when it came back, and lasts as long as at any other time. (One second was allowed here once.)
                until = world.now + max(under_way, 1.0)
                continue
            if seen.settled or world.now >= until:
                return seen
            world.sleep(0.2)

    def submitted(self, row: Snapshot) -> None:
        self.expect(row.id in self.stage.database.rows, "a submit was confirmed and is not there")

    # -- the end

    def finish(self) -> None:
        for error in self.world.defects:
            self.broken.append(
                f"an exception that nobody expected: {error!r} {getattr(error, '__notes__', '')}"
                + "".join(traceback.format_tb(error.__traceback__)[-3:])
            )
        for row in self.stage.database.rows.values():
            late = self.world.now * 1000 + EPOCH_MS - row.settles_at
            self.expect(row.settled or late < 0 or row.id in self.told, "open past its bound", row.status, row.attempt)
        self.batches.finish()
        self.keys.finish()
        for waiter in self.waiters:
            self._ended(waiter)
        if not self.stage.plan.faults:
            self._calm()

    def _ended(self, waiter: Waiter) -> None:
        if waiter.process is not None and waiter.process.dead:
            return
        ending = waiter.ending
        if ending is None:
            self.expect(False, "a wait did not end", waiter.kind)
            return
        row = self.stage.database.rows.get(waiter.task_id)
        if row is None:
            self.batches.ended(waiter.task_id, waiter, ending)
            return
        if ending.end in (End.COMPLETED, End.FAILED):
            status = Status.COMPLETED if ending.end is End.COMPLETED else Status.FAILED
            truth = (row.status, row.reason) if row.settled else (Status.FAILED, self.told.get(row.id))
            true = (status, ending.reason) == truth
            self.expect(true, "who waited was told an untruth", waiter.kind, ending.end, truth)
            if ending.end is End.COMPLETED:
                self.expect(ending.result == row.result, "who waited got another result", waiter.kind)
            return
        reached = waiter.answers[-1] if waiter.answers else self.undisturbed(waiter, row, str(ending.message))
        self.expect(ending.end is End.UNREACHABLE, "a wait ended in a way that it must not", waiter.kind, ending.end)
        self.expect(not reached, "who waited was not told, though somebody could", waiter.kind, ending.message)

    def undisturbed(self, waiter: Waiter, row: Snapshot, message: str) -> bool:
        if waiter.process is None:
            return False
        bound = (row.settles_at - EPOCH_MS) / 1000
        if "has not answered ever" in message:  # it was never told of that bound, and has its own patience, no grace
            bound = min(bound, waiter.began + PATIENCE - BEGIN_AGAIN)
        return max(waiter.process.trouble_until, self.stage.trouble_until) < bound

    def _calm(self) -> None:
        """Nothing went wrong, so the first attempt that ended well counts."""
        plan = self.stage.plan
        for row in self.stage.database.rows.values():
            task = plan.tasks[json.loads(row.arguments)["args"][0]]
            alone = len(plan.tasks) == 1 and plan.jitter < 0.01 and task.cancel_after is None
            alone = alone and not task.looks and task.batch == 1 and row.lane is None
            if alone and self.stage.runs and task.works[0].kind == "ok" and task.works[0].seconds < task.timeout - 0.1:
                first = row.status is Status.COMPLETED and row.attempt == 1
                self.expect(first, "nothing was wrong, and it did not complete", row.status, row.reason, row.attempt)


class Waiter:
    """One who waits."""

    def __init__(self, kind: str, task_id: str, process: Any, answers: list[bool]) -> None:
        self.kind = kind
        self.task_id = task_id
        self.process = process
        self.began: float = 0.0 if process is None else process.world.now
        self.answers = answers
        self.ending: Ending | None = None
