"""A task function whose time is over is not broken off in the midst of what others need to be done to its end."""

from __future__ import annotations

import threading
from pathlib import Path

from settled import Reason, Status, Task, Tasks
from settled.engines.embedded import EmbeddedEngine
from settled.runner import where
from tests.runner import functions
from tests.runner.stage import Stage, acomes_true, ended

LIMIT = 0.6
"""Seconds of timeout."""


def test_one_whose_time_is_over_within_a_submit_takes_no_place_for_good(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "thread")
    idents: list[int] = []
    submitted: list[Task] = []

    async def play(tasks: Tasks) -> None:
        give = stage.register(tasks, functions.give)

        def submits() -> None:
            idents.append(threading.get_ident())
            submitted.append(give.submit("well"))
            functions.be_busy(str(tmp_path))

        task = await stage.register(tasks, submits, timeout=LIMIT).asubmit()
        engine = tasks._service.engine
        assert isinstance(engine, EmbeddedEngine)
        places = engine._places
        with places._guard:  # whoever takes a place stands still, and whoever frees one on this loop does not
            assert await acomes_true(lambda: idents and is_in("take", idents[0]))
            assert ended(await task).reason is Reason.TIMEOUT
        assert await acomes_true(lambda: not is_in("submits", idents[0]))
        assert await acomes_true(lambda: not engine._attempts)
        assert places.expected == 0
        assert places.free("thread") == tasks._places["thread"]
        assert submitted[0].refresh().status is Status.COMPLETED

    stage.act(play)


def is_in(function: str, ident: int) -> bool:
    """Whether a thread is in this function."""
    frame = where.frame_of(ident)
    while frame is not None:
        if frame.f_code.co_name == function:
            return True
        frame = frame.f_back
    return False
