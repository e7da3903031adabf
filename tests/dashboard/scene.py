"""A ledger as after a day's work: what was done, what failed and why, what runs and what waits."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

from settled.clock import ManualClock
from settled.ledger import Ledger
from settled.records import Snapshot, Verdict
from settled.states import Reason, Status
from settled.stores.base import Beat, Progress
from settled.stores.sqlite import SQLiteStore
from tests.stores.making import new_task

HOUR = 3_600.0
NAMES = {"scrape": 60, "send_invoice": 22, "convert_video": 9, "nightly_report": 3}
TRACEBACK = """Traceback (most recent call last):
  File "/srv/app/invoices.py", line 48, in send_invoice
    receipt = gateway.charge(customer, amount)
  File "/srv/app/gateway.py", line 112, in charge
    raise CardDeclined(f"card of customer {customer} was declined")
invoices.CardDeclined: card of customer 4711 was declined
"""


def arguments(name: str, chance: random.Random) -> str:
    number = chance.randrange(1_000, 9_999)
    kwargs = {
        "scrape": {"url": f"https://example.org/products/{number}", "depth": chance.randrange(1, 4)},
        "send_invoice": {"customer": number, "amount": f"{number / 100:.2f}", "api_key": "sk-9f1"},
        "convert_video": {"path": f"/media/upload-{number}.mov", "format": "av1"},
        "nightly_report": {"day": "2026-11-25", "password": "hunter2"},
    }[name]
    return json.dumps({"args": [], "kwargs": kwargs}, separators=(",", ":"))


def failure(row: Snapshot, chance: random.Random) -> Verdict:
    number = chance.randrange(1_000, 9_999)
    reason, message, kind, traceback = chance.choice(
        [
            (Reason.EXCEPTION, f"card of customer {number} was declined", "CardDeclined", TRACEBACK),
            (Reason.EXCEPTION, f"HTTPSConnectionPool(host='shop-{number}.example.org'): Max retries exceeded",
             "ConnectionError", TRACEBACK),
            (Reason.TIMEOUT, "Attempt 1 of 3 ran longer than its timeout of 10 s. Give the task function a longer "
             "timeout, or find what it waited for.", None, None),
            (Reason.WORKER_LOST, f"The worker died or stopped answering during attempt 1 of 3: process {number} on "
             "worker-2 was killed, crashed, ran out of memory or froze (last heard 1.8 s before). Look at that "
             "machine's system log.", None, None),
        ]
    )  # fmt: skip
    return Verdict(row.id, row.attempt, Status.FAILED, None, reason, message, kind, traceback)


def play(path: Path, tasks: int = 600, seed: int = 7) -> Ledger:
    """Make the ledger, up to now, and leave it open: its clock stands still, so that its workers stay alive."""
    chance = random.Random(seed)
    clock = ManualClock(round((time.time() - 24 * HOUR + 860) * 1000))
    ledger = Ledger(SQLiteStore(path, clock), lease=30)
    ledger.open()
    enlist = ledger.membership.enlist
    workers = [enlist(list(NAMES), "embedded"), enlist([*NAMES, "clean_up"], "celery")]
    names = [name for name, weight in NAMES.items() for _ in range(weight)]
    step = 24 * HOUR / tasks
    for number in range(tasks):
        name = chance.choice(names)
        for worker in workers:
            ledger._writer.write_all("beat", [Beat(worker, 15_000)], 5)
        key = f"invoice-{number}" if name == "send_invoice" else None
        ledger.add(new_task(name, arguments=arguments(name, chance), key=key))
        waited = chance.expovariate(4)
        clock.advance(waited)
        row = ledger.claim(workers[number % 2], [name], 1)[0]
        if number > tasks - 6:
            ledger._writer.write_all("progress", [Progress(row.id, row.attempt, chance.random(), "12 of 30 pages")], 5)
            clock.advance(0.5)
            continue
        ran = min(chance.expovariate(0.5), step - waited - 0.1, 9.5)
        clock.advance(max(0.01, ran))
        bad = chance.random() < (0.25 if tasks * 0.6 < number < tasks * 0.66 else 0.05)
        result = json.dumps({"status": "ok", "words": chance.randrange(10_000), "token": "t-123"})
        ledger.settle_now(failure(row, chance) if bad else Verdict(row.id, row.attempt, Status.COMPLETED, result))
        clock.advance(max(0.0, step - waited - ran))
    for _ in range(4):
        ledger.add(new_task("thumbnail", arguments='{"args":["/media/cover.png"],"kwargs":{}}'))
        clock.advance(0.2)
    for worker in workers:
        ledger._writer.write_all("beat", [Beat(worker, 15_000)], 5)
    ledger.membership.enlist([])
    clock.advance(0.4)
    return ledger
