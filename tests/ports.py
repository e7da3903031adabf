"""Ports for the servers of the tests, which bind them a moment later, and again whenever they are restarted.

A port that is got by binding to 0 and let go may be given to somebody else meanwhile: another test process, or
whoever connects to anything. So these are below those that systems give to who asks for any, each test process of a
run has a range of its own, and takes none twice as long as others are left.
"""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

FIRST, EACH, PROCESSES = 15_000, 1_000, 16
"""They end below 32768, where Linux begins with those that it gives out; macOS does so at 49152."""

_process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % PROCESSES
_taken = itertools.count(os.getpid())  # another run of the tests on this machine begins elsewhere


def free_port() -> int:
    """A port of this machine that nobody uses, and nobody else is given."""
    for number in itertools.islice(_taken, EACH):
        port = FIRST + EACH * _process + number % EACH
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("every port of this process is in use")


@contextmanager
def port_without_a_server() -> Iterator[int]:
    """A port where nobody listens, nor can begin to until the end of the block."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])
