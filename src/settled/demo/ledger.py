"""Where the demo keeps its tasks: one SQLite file, and the two sets of task functions that share it."""

from __future__ import annotations

import os

from settled import Tasks
from settled.stores import sqlite_open
from settled.stores.sqlite import SQLiteStore
from settled.stores.urls import store_of

# The environment tells the demo's own processes where the ledger is, and a victim which fault it is for.
LEDGER, ONLY = "SETTLED_DEMO_LEDGER", "SETTLED_DEMO_FAULT"
URL = os.environ.get(LEDGER, "sqlite:///settled-demo.db")

# A lease of four seconds, so that a frozen worker is given up on before one's eyes; 30 are usual.
LEASE = 4.0

tasks = Tasks(URL, lease=LEASE, processes=4, drain=1.0)
"""Run by the server itself, in its event loop, its threads and its child processes."""

for_workers = Tasks(URL, lease=LEASE, embedded=False, drain=1.0)
"""Only submitted by the server; run by ``settled worker settled.demo.functions:for_workers``."""


def is_locked() -> bool:
    """Whether somebody keeps all others from writing; never so on PostgreSQL, where a commit is one message."""
    store = store_of(URL)
    return isinstance(store, SQLiteStore) and sqlite_open.is_locked(store.path)
