"""Tables made from the code itself: the faults, the errors, the problem documents, the times."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from settled import (
    Batch,
    BatchSnapshot,
    Context,
    Ending,
    Latest,
    LatestFunction,
    Ledger,
    Snapshot,
    Task,
    TaskFunction,
    Tasks,
    errors,
    follower,
    ledger,
    periodic,
    policy,
    records,
    sweeper,
    waiter,
    writer,
)
from settled.demo.fault import Fault
from settled.demo.faults import FAULTS
from settled.engines import embedded
from settled.runner import process
from settled.stores import base, sqlite_open
from settled.web import problems, wire

CLASSES = (
    Tasks, TaskFunction, LatestFunction, Latest, Task, Ending, Batch, BatchSnapshot, Snapshot, Context, Ledger,
)  # fmt: skip


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in [head, ["---"] * len(head), *rows])


# -- faults


def faults() -> str:
    parts = []
    for group, members in groupby(FAULTS.values(), key=lambda fault: fault.group):
        rows = [_fault(list(alike)) for _, alike in groupby(members, key=lambda f: (f.kind, f.what, f.reason))]
        parts.append(f"### {group}\n\n{table(('what happens', 'isolation', 'it ends as', 'because'), rows)}")
    return "\n".join(parts)


def _fault(alike: list[Fault]) -> tuple[str, str, str, str]:
    one = alike[0]
    ends = f"`{one.status}`" + (f", `{one.reason}`" if one.reason else "")
    return f"**{one.title}**<br>`{one.kind}`", ", ".join(fault.isolation for fault in alike), ends, one.what


# -- errors


def error_tree() -> str:
    return table(
        ("error", "code", "it means"),
        [(f"{'&emsp;' * depth}`{kind.__name__}`", f"`{kind.code}`", _fact(kind)) for depth, kind in _tree()],
    )


def _tree(kind: type[errors.SettledError] = errors.SettledError, depth: int = 0) -> Iterator[tuple[int, type]]:
    yield depth, kind
    for child in vars(errors).values():
        if isinstance(child, type) and child.__bases__[0] is kind:
            yield from _tree(child, depth + 1)


def _fact(kind: type) -> str:
    return (kind.__doc__ or "").splitlines()[0].replace("``", "`")


WEB = Path(problems.__file__).parent
_PROBLEM = re.compile(r'\bproblem\(\s*(\d{3}), "([\w-]+)", "([^"]+)"')  # what is told of no error, but said outright


def problem_table() -> str:
    rows = {
        (int(status), code, title)
        for source in WEB.glob("*.py")
        for status, code, title in _PROBLEM.findall(source.read_text("utf-8"))
    }
    for kind in (*(kind for _, kind in _tree()), problems.NotSignedIn, problems.CrossSite):
        status, title, _ = problems._PROBLEMS[next(one for one in kind.__mro__ if one in problems._PROBLEMS)]
        rows.add((status, errors.SettledError.code if status == 500 else kind.code, title))
    shown = [(status, f"`urn:settled:{code}`", title) for status, code, title in sorted(rows)]
    return table(("status", "`type`", "`title`"), shown)


# -- times


def times() -> str:
    minute = policy.Policy()
    return table(
        ("what", "within about", "where it is said"),
        [
            ("an attempt past its timeout is given up on by its own worker", f"{embedded.TICK:g} s",
             "`engines.embedded.TICK`"),
            ("the same while a task blocks the worker's event loop: settled by the watchdog's thread",
             f"{embedded.STUCK:g} to {embedded.STUCK + embedded.TICK:g} s", "`engines.embedded.STUCK`"),
            ("an attempt past its timeout is settled by anybody else who looks", f"{base.EXPIRY_MARGIN_MS / 1000:g} s",
             "`stores.base.EXPIRY_MARGIN_MS`"),
            ("a row that nobody reads is settled by a sweeper", f"{sweeper.TICK:g} s",
             "`sweeper.TICK`"),
            ("a dead worker is noticed by its file lock: by whoever reads its task", "at once", "`ledger.get`"),
            ("the same, by a sweeper", f"{sweeper.TICK:g} s", "`sweeper.TICK`"),
            ("a dead child of `isolation=\"process\"` is noticed", f"{process.TICK_MS / 1000:g} s",
             "`runner.process.TICK_MS`"),
            ("a worker that is alive but silent (frozen) is given up on", f"its lease, {minute.lease:g} s by default",
             "`Tasks(lease=…)`"),
            ("a heartbeat is sent", "every sixth of the lease", "`heartbeat`"),
            ("a worker looks for due tasks of other processes", f"every {embedded.TICK:g} s",
             "`engines.embedded.TICK`"),
            ("a wait hears of what another process wrote", f"{follower.TICK:g} s", "`follower.TICK`"),
            ("a submit gives up on a database that is away", f"{ledger.SUBMIT_PATIENCE:g} s",
             "`ledger.SUBMIT_PATIENCE`"),
            ("a verdict that cannot be written is tried again",
             f"every {writer.RETRY_PAUSE:g} s, until the process ends", "`writer.RETRY_PAUSE`"),
            ("one statement waits for another program's lock", f"{sqlite_open.BUSY_SECONDS:g} s",
             "`stores.sqlite_open.BUSY_SECONDS`"),
            ("a wait in Python gives up on a silent ledger", f"`settles_in` + {waiter.GRACE:g} s", "`waiter.GRACE`"),
            ("a long poll is held", f"{wire.LONGEST_WAIT} s", "`web.wire.LONGEST_WAIT`"),
            ("what is older than the retention is pruned", f"every {sweeper.PRUNE_EVERY / 3600:g} h",
             "`sweeper.PRUNE_EVERY`"),
            ("trouble with the database is logged again", f"after {periodic.REPEAT_A_WARNING:g} s",
             "`periodic.REPEAT_A_WARNING`"),
        ],
    )  # fmt: skip


def limits() -> str:
    defaults = policy.Policy()
    rows = [
        ("`timeout`", "one attempt's time to run", f"{defaults.timeout:g} s"),
        ("`start_timeout`", "the time to wait for a worker, over all attempts", f"{defaults.start_timeout:g} s"),
        ("`attempts`", f"how often it is tried in all, 1 to {policy.MAX_ATTEMPTS}", defaults.attempts),
        ("`backoff`", "the pause before the second attempt; doubled before each further one, "
         f"{policy.MAX_BACKOFF:g} s", f"{defaults.backoff:g} s"),
        ("`lease`", "how long a silent worker is believed alive; of the whole `Tasks`, not of one function",
         f"{defaults.lease:g} s"),
    ]  # fmt: skip
    return table(("limit", "it is", "default"), rows)


def row() -> str:
    """The fields of a snapshot, in order."""
    return ", ".join(f"`{field}`" for field in records.Snapshot._fields) + ".\n"


# -- the package


def members(kind: type) -> str:
    """What a class offers, each with the first sentence of its docstring."""
    rows = []
    ours = [one for one in kind.__mro__ if one.__module__.startswith("settled.")]
    for name, member in {name: getattr(one, name) for one in reversed(ours) for name in vars(one)}.items():
        whole = member if callable(member) else getattr(member, "fget", None)
        doc = inspect.getdoc(whole) if whole is not None else None
        if name.startswith("_") or doc is None or name in _INNER.get(kind, ()):
            continue
        shown = f"{name}{_parameters(whole)}" if callable(member) else name
        prefix = "async " if inspect.iscoroutinefunction(member) else ""
        rows.append((f"`{prefix}{shown}`", " ".join(doc.partition("\n\n")[0].split()).replace("``", "`")))
    return table((f"`{kind.__name__}`", "it does, or is"), rows)


_INNER: Mapping[type, set[str]] = {  # for the rooms of the house, not for its guests
    Tasks: {"submit_new", "asubmit_new", "submit_batch", "asubmit_batch", "owns"},
    TaskFunction: {"new"},
    Ledger: {name for name in vars(Ledger) if name not in
             ["get", "aget", "list", "counts", "workers", "cancel", "retry", "expire", "prune", "retention"]},
}  # fmt: skip


def _parameters(function: Callable[..., object]) -> str:
    given = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    names = []
    for parameter in given:
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in names and not any(n[0] == "*" for n in names):
            names.append("*")
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        names.append(f"{star}{parameter.name}{default}")
    return f"({', '.join(names)})"


def options() -> str:
    """The options of ``Tasks``, as its docstring tells them."""
    parameters = inspect.signature(Tasks).parameters
    said: dict[str, str] = {}
    name = ""
    for line in (inspect.getdoc(Tasks) or "").splitlines():
        found = re.match(r"(\w+)  +(\S.*)", line)
        if found and found[1] in parameters:
            name = found[1]
            said[name] = found[2]
        elif name and line.startswith(" "):
            said[name] += " " + line.strip()
        else:
            name = ""
    rows = []
    for name, parameter in parameters.items():
        default = "" if parameter.default is parameter.empty else f"`{parameter.default!r}`"
        rows.append((f"`{name}`", said.get(name, "likewise").replace("``", "`"), default))
    return table(("option", "it is", "default"), rows)


MAKERS: Mapping[str, Callable[[], str]] = {
    "faults": faults,
    "errors": error_tree,
    "problems": problem_table,
    "times": times,
    "limits": limits,
    "row": row,
    "options": options,
    **{f"members-{kind.__name__}": (lambda kind=kind: members(kind)) for kind in CLASSES},
}
