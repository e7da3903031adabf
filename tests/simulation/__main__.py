"""Runs schedules of the simulation, and says what they were and what they broke.

python -m tests.simulation --seed 0 --schedules 10000 --jobs 2
python -m tests.simulation --schedules 100000 --jobs 2 --within 120
python -m tests.simulation --seed 178 --schedules 1 --show
python -m tests.simulation --bug "a guard without the attempt"
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import sys
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from typing import Any

from tests.simulation import stand_ins
from tests.simulation.bugs import BUGS, planted
from tests.simulation.plan import Plan, plan_of
from tests.simulation.scheduler import Turning
from tests.simulation.shrink import shrunk
from tests.simulation.stage import BINDINGS, Result
from tests.simulation.stage import run as put_on

CHUNK = 500
"""Schedules that a process of its own runs before it says how it went."""
BETWEEN = 4
"""Schedules between two collections of garbage."""


def run(plan: Plan) -> Result:
    """One schedule; one that does not come to an end is broken too."""
    try:
        return put_on(plan)
    except Turning as error:
        return Result(plan, [str(error)], [], 0, 0.0, [])


def run_many(first: int, count: int, bug: str | None, stop: bool) -> dict[str, Any]:
    """Run the schedules of these seeds; with ``stop`` only up to the first that breaks something."""
    began, used = time.monotonic(), time.process_time()
    counts: Counter[str] = Counter()
    broken: list[tuple[int, list[str]]] = []
    digest = hashlib.sha256()
    gc.collect()
    gc.freeze()
    gc.disable()
    with stand_ins.inside(*BINDINGS), planted(bug):
        for seed in range(first, first + count):
            result = run(plan_of(seed))
            _count(counts, result)
            digest.update(repr(result.history).encode())
            if result.broken:
                broken.append((seed, result.broken))
                if stop:
                    break
            if seed % BETWEEN == 0:
                gc.collect()
    gc.enable()
    cpu, wall = time.process_time() - used, time.monotonic() - began
    return {"broken": broken, "digest": digest.hexdigest(), "counts": dict(counts), "cpu": cpu, "wall": wall}


def _count(counts: Counter[str], result: Result) -> None:
    counts["schedules"] += 1
    counts["steps"] += result.steps
    counts["virtual seconds"] += round(result.seconds)
    counts["tasks"] += sum(change[1] == "insert" for change in result.changes)
    counts["attempts"] += sum(1 for line in result.history if line[5] == "running" and line[2] in ("insert", "claim"))
    for fault in result.plan.faults:
        counts[f"fault {fault.kind}"] += 1
    for line in result.history:
        if line[2] == "settle" and line[5] in ("completed", "failed"):
            counts[f"ended {line[6] or line[5]}"] += 1


def show(result: Result) -> None:
    """A schedule, for a person."""
    plan = result.plan
    print(f"seed {plan.seed}: {plan.webs} web, {plan.workers} workers, engine {plan.engine}"
          f"{', web runs tasks' if plan.web_runs else ''}{'' if plan.web_sweeps else ', web does not sweep'}"
          f"{'' if plan.inline else ', reads by a thread'}{'' if plan.rechecks else ', server without recheck'}"
          f"{'' if plan.one_machine else ', machines apart'}, jitter {plan.jitter:g} s")  # fmt: skip
    for task in plan.tasks:
        print(f"  {task}")
    for fault in plan.faults:
        print(f"  {fault}")
    for at, who, verb, arguments, attempt, status, reason in result.history:
        print(f"  {at / 1000:9.3f} s  process {who:2}  {verb:8} {arguments} attempt {attempt} {status} {reason or ''}")
    for broken in result.broken:
        print(f"  BROKEN: {broken}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--schedules", type=int, default=2_000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--within", type=float, help="seconds after which no more of them are begun")
    parser.add_argument("--bug", choices=BUGS, help="plant it, and stop where it is caught")
    parser.add_argument("--show", action="store_true", help="say what happens in each")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.show:
        with stand_ins.inside(*BINDINGS), planted(options.bug):
            for seed in range(options.seed, options.seed + options.schedules):
                show(run(plan_of(seed)))
        return 0
    found = _all(options)
    if options.json:
        print(json.dumps(found))
    else:
        _report(found, options)
    return 1 if found["broken"] else 0


def _all(options: argparse.Namespace) -> dict[str, Any]:
    seed, left, bug = options.seed, options.schedules, options.bug
    if options.jobs == 1 and options.within is None:
        return run_many(seed, left, bug, bug is not None)
    total: dict[str, Any] = {"broken": [], "counts": Counter(), "cpu": 0.0}
    began = time.monotonic()
    ends = float("inf") if options.within is None else began + options.within
    starts = iter(range(seed, seed + left, CHUNK))
    running: set[Future[dict[str, Any]]] = set()
    with ProcessPoolExecutor(options.jobs) as pool:
        while True:
            free = options.jobs + 1 - len(running) if time.monotonic() < ends else 0  # one waits for whoever is ready
            running |= {
                pool.submit(run_many, start, min(CHUNK, seed + left - start), bug, bug is not None)
                for start in islice(starts, free)
            }
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for found in (part.result() for part in done):
                total["broken"] += found["broken"]
                total["counts"].update(found["counts"])
                total["cpu"] += found["cpu"]
    total["broken"].sort()
    return {**total, "counts": dict(total["counts"]), "wall": time.monotonic() - began}


def _report(found: dict[str, Any], options: argparse.Namespace) -> None:
    counts, bug = found["counts"], options.bug
    each = found["cpu"] / counts["schedules"] * 1000
    print(f"{counts['schedules']:,} schedules in {found['wall']:.1f} s ({each:.2f} ms of a core each): "
          f"{counts['steps']:,} steps, {counts['virtual seconds']:,} virtual seconds, {counts['tasks']:,} tasks, "
          f"{counts['attempts']:,} attempts")  # fmt: skip
    for head in ("fault", "ended"):
        kinds = sorted((-count, kind) for kind, count in counts.items() if kind.startswith(head))
        print(f"  {head}s: " + ", ".join(f"{kind.partition(' ')[2]} {-count:,}" for count, kind in kinds))
    if bug is None and counts["schedules"] < options.schedules:
        print(f"That is what {options.within:g} s held of {options.schedules:,}; without --within all of them are run.")
    if not found["broken"]:
        print("Nothing was broken.")
        return
    seed, broken = found["broken"][0]
    print(f"{len(found['broken'])} broke something, seed {seed} first: {broken[0]}\nIt shrinks to:")
    with stand_ins.inside(*BINDINGS), planted(bug):
        show(shrunk(run(plan_of(seed)), run))


if __name__ == "__main__":
    sys.exit(main())
