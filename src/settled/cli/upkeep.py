"""``settled sweep``, ``prune`` and ``doctor``: what keeps a ledger in order."""

from __future__ import annotations

from argparse import Namespace

from settled import doctor
from settled.cli import documents, tables
from settled.cli.exits import Exit
from settled.cli.ledgers import closed, opened, url_of, without_credentials
from settled.cli.parsing import Commands, add_command
from settled.cli.tables import Column
from settled.cli.words import line, seconds_of
from settled.stores.urls import store_of

DAY = 86_400.0
COLUMNS = (Column("LEVEL", coloured=True), Column("SUBJECT"), Column("FOUND", least=20))


def add(commands: Commands) -> None:
    """Add the four commands to the parser."""
    add_command(commands, "migrate", migrate, "make the ledger, or bring it to this version; for its owner's role")
    command = add_command(commands, "sweep", sweep, "settle everything that is overdue, once; for a timer")
    command.add_argument("--json", action="store_true", help="one JSON document")
    command = add_command(commands, "prune", prune, "delete settled tasks that are old")
    command.add_argument("--older-than", type=seconds_of, metavar="AGE", help="e.g. 12h or 30d (the application's)")
    command.add_argument("--json", action="store_true", help="one JSON document")
    command = add_command(commands, "doctor", run_doctor, "check the ledger; exits 1 when a promise is broken")
    command.add_argument(
        "--deep", action="store_true", help="read the whole database for damage, which may take minutes"
    )
    command.add_argument(
        "--retention", type=seconds_of, metavar="AGE", help="how long tasks ought to be kept (as the application says)"
    )
    command.add_argument("--json", action="store_true", help="one JSON document")


def migrate(args: Namespace) -> Exit:
    """Open the ledger, which makes it and brings it to this version."""
    url = url_of(args)
    store = store_of(url)
    try:
        store.open()
    finally:
        store.close()
    print(f"The ledger at {without_credentials(url)} is there, and of this version.")
    return Exit.DONE


def sweep(args: Namespace) -> Exit:
    """Expire until nothing is overdue."""
    ledger = closed(args)
    try:
        ledger.store.open()
        settled = doctor.settle_all(ledger)
    finally:
        ledger.close()
    if args.json:
        documents.show({"swept": settled})
    else:
        print(
            f"{_tasks(settled)} overdue, settled now or put back for another attempt."
            if settled
            else "Nothing was overdue."
        )
    return Exit.DONE


def prune(args: Namespace) -> Exit:
    """Delete settled tasks created and finished before the age."""
    with opened(args) as ledger:
        pruned = ledger.prune(args.older_than)
        ledger.forget()  # keys that nobody asks for, as old as their function says
    if args.json:
        documents.show({"pruned": pruned})
    else:
        print(f"{_tasks(pruned)} deleted." if pruned else "No settled task is that old.")
    return Exit.DONE


def run_doctor(args: Namespace) -> Exit:
    """Print what is found; NO when anything is broken."""
    ledger = closed(args, retention=args.retention)
    try:
        ledger.store.open()
        found = doctor.check(ledger, deep=args.deep)
    finally:
        ledger.close()
    if args.json:
        documents.show(documents.findings(found))
    else:
        tables.show(COLUMNS, [(finding.level, finding.subject, line(finding.message)) for finding in found], wrap=True)
        broken, warnings = (sum(finding.level == level for finding in found) for level in ("broken", "warning"))
        print(f"\n{_verdict(broken)} {_warnings(warnings)}")
    return Exit.NO if any(finding.level == "broken" for finding in found) else Exit.DONE


def _verdict(broken: int) -> str:
    if not broken:
        return "Every promise holds."
    return "A promise is broken." if broken == 1 else f"{broken} promises are broken."


def _warnings(count: int) -> str:
    return "No warnings." if not count else "1 warning." if count == 1 else f"{count} warnings."


def _tasks(count: int) -> str:
    return "1 task was" if count == 1 else f"{count} tasks were"
