"""A wait for descriptors, of which a server may have thousands."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from settled.descriptors import readable

BEYOND = 1_100
"""More than ``select.select`` knows."""


@pytest.fixture
def many() -> Iterator[None]:
    """As many descriptors as that are allowed."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], BEYOND + 10), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many")
def test_what_can_be_read_is_told_whatever_its_number() -> None:
    with ExitStack() as until_the_end:
        ends = os.pipe()
        other = os.dup2(ends[0], BEYOND)
        for end in (*ends, other):
            until_the_end.callback(os.close, end)
        assert readable([other], 0) == set()
        assert readable([other], -1) == set()
        os.write(ends[1], b"!")
        assert readable([ends[0], other], 10) == {ends[0], other}
