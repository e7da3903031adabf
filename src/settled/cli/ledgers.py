"""Which ledger a command speaks to, and how it is opened: never made, and settled before it is shown."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager

from settled.errors import BadLedgerUrl, SettledError
from settled.ledger import Ledger
from settled.runner.text import shown
from settled.stores.urls import store_of

VARIABLE = "SETTLED_LEDGER"
USUAL = "tasks.db"


def url_of(args: Namespace) -> str:
    """The ledger's URL: of ``--ledger``, else of SETTLED_LEDGER, else ``tasks.db`` if it is here."""
    named = args.ledger or os.environ.get(VARIABLE)
    if named:
        return str(named)
    if os.path.exists(USUAL):
        return f"sqlite:///{USUAL}"
    raise BadLedgerUrl(
        f"No ledger is named, and there is no {USUAL} in {os.getcwd()}. "
        f"Give --ledger sqlite:///PATH or postgresql://…, set {VARIABLE}, or change to the folder of the application."
    )


def without_credentials(url: str) -> str:
    """The URL as it may be shown."""
    return shown(url, 300)


def closed(args: Namespace, *, retention: float | None = None) -> Ledger:
    """The ledger that is named, not yet opened; raise ``BadLedgerUrl`` if there is none."""
    url = url_of(args)
    store = store_of(url)
    if not store.exists():
        raise BadLedgerUrl(
            f"There is no ledger at {without_credentials(url)} (seen from {os.getcwd()}): no such file or schema, or "
            "not one of settled's. Check the URL; an application makes its ledger when it first uses it."
        )
    return Ledger(store, retention=retention)


@contextmanager
def opened(args: Namespace) -> Iterator[Ledger]:
    """The ledger, with everything settled that is overdue: whoever looks, settles."""
    ledger = closed(args)
    try:
        ledger.store.open()
        try:
            ledger.expire()
        except SettledError as error:  # what is there can still be shown
            print(f"settled: what is overdue could not be settled now. {error}", file=sys.stderr)
        yield ledger
    finally:
        ledger.close()
