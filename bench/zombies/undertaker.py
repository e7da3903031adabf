"""Waits for the harness to end, in whatever way, and kills what it has left: ``python undertaker.py MARK``.

Servers rewrite their environment, so their process groups are told on standard input: ``+ 123``, ``- 123``.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

from bench.zombies.marks import RUN, kill_marked


def main(mark: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        what, group = line.split()
        (groups.add if what == "+" else groups.discard)(int(group))
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    kill_marked(RUN, mark)


if __name__ == "__main__":
    main(sys.argv[1])
