"""An application's tasks on a ledger of the test's own, in the test's process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from settled.clock import Clock
from settled.ledger import Ledger
from settled.tasks import Tasks


@contextmanager
def isolated(tasks: Tasks, url: str = "", *, clock: Clock | None = None, run: bool = False) -> Iterator[Ledger]:
    """Move ``tasks`` to a ledger that is gone afterwards, with nobody to run them unless ``run``; yield the ledger.

    url    the ledger; by default a new SQLite file, which is deleted in the end
    clock  a ``ManualClock``, which stands still until the test moves it; on SQLite only
    """
    with ExitStack() as until_the_end:
        folder = until_the_end.enter_context(tempfile.TemporaryDirectory(prefix="settled-test-"))
        place = url or f"sqlite:///{Path(folder) / 'tasks.db'}"
        until_the_end.enter_context(tasks.moved(place, clock=clock, embedded=run))
        yield tasks.ledger
