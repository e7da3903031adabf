"""Makes a plan that breaks something smaller, for as long as it breaks the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.simulation.plan import Plan, Task, Work
from tests.simulation.stage import Result

MOST_RUNS = 400


def rule_of(broken: str) -> str:
    """The rule of the contract, without when and who."""
    return broken.split(" (at ")[0].split(": ")[0]


def shrunk(result: Result, run: Callable[[Plan], Result]) -> Result:
    """The smallest that is found with a few hundred runs."""
    rule = rule_of(result.broken[0])
    runs = 0
    smaller = True
    while smaller:
        smaller = False
        for plan in _smaller(result.plan):
            runs += 1
            if runs > MOST_RUNS:
                return result
            tried = run(plan)
            if any(rule_of(broken) == rule for broken in tried.broken):
                result, smaller = tried, True
                break
    return result


def _smaller(plan: Plan) -> Iterator[Plan]:
    yield from _fewer(plan)
    for number, task in enumerate(plan.tasks):
        for simpler in _simpler(task):
            yield replace(plan, tasks=(*plan.tasks[:number], simpler, *plan.tasks[number + 1 :]))
    for name, calm in (("jitter", 0.002), ("inline", True), ("rechecks", True), ("one_machine", True)):
        if getattr(plan, name) != calm:
            yield replace(plan, **{name: calm})
    for number, fault in enumerate(plan.faults):
        if fault.seconds > 1:
            half = replace(fault, seconds=round(fault.seconds / 2, 2))
            yield replace(plan, faults=(*plan.faults[:number], half, *plan.faults[number + 1 :]))


def _fewer(plan: Plan) -> Iterator[Plan]:
    """Without half of the faults, a quarter, one; without a task; without the last worker."""
    count = len(plan.faults)
    for size in (count // 2, count // 4, 1):
        for start in range(0, count if size else 0, max(size, 1)):
            yield plan.without(set(range(start, min(start + size, count))))
    for number in range(len(plan.tasks) if len(plan.tasks) > 1 else 0):
        yield replace(plan, tasks=plan.tasks[:number] + plan.tasks[number + 1 :])
    last = plan.webs + plan.workers - 1
    if plan.workers and not any(fault.who == last for fault in plan.faults):
        yield replace(plan, workers=plan.workers - 1)


def _simpler(task: Task) -> Iterator[Task]:
    if task.attempts > 1:
        yield replace(task, attempts=task.attempts - 1, works=task.works[:-1])
    if task.key:
        yield replace(task, key=False)
    if len(task.waits) > 1:
        yield replace(task, waits=task.waits[:1])
    for number, work in enumerate(task.works):
        if work.kind != "ok":
            calm = (*task.works[:number], Work("ok", 0.3), *task.works[number + 1 :])
            yield replace(task, works=calm)
