"""What is brought at nearly the same time shares one claim, and begins also when nobody waits for it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from settled.engines.gate import LINGER, Gate
from settled.errors import LedgerUnavailable
from settled.records import Snapshot
from settled.stores.rows import born
from tests.stores.making import new_task


class Claims:
    """Answers claims when it is told to, and keeps what was asked for and what has begun."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, list[str]]] = []
        self.answers: list[asyncio.Future[list[Snapshot]]] = []
        self.begun: list[str] = []
        self.loop = asyncio.get_running_loop()
        self.gate = Gate(self.loop, self.claim, self.begin)
        self._came = asyncio.Event()

    def claim(self, task_ids: Sequence[str]) -> asyncio.Future[list[Snapshot]]:
        self.asked.append((self.loop.time(), list(task_ids)))
        self.answers.append(self.loop.create_future())
        self._came.set()
        return self.answers[-1]

    def begin(self, row: Snapshot) -> str:
        self.begun.append(row.id)
        return f"{row.id} begun"

    async def come(self) -> list[str]:
        """Wait for the next claim."""
        await asyncio.wait_for(self._came.wait(), 5)
        self._came.clear()
        return self.asked[-1][1]

    def answer(self, *task_ids: str) -> None:
        self.answers[-1].set_result([born(new_task(), task_id, 0) for task_id in task_ids])


def on_a_loop(test: Callable[[Claims], Awaitable[None]]) -> None:
    async def run() -> None:
        await test(Claims())

    asyncio.run(run())


def test_what_comes_together_shares_a_claim() -> None:
    async def test(claims: Claims) -> None:
        asked = [claims.gate.ask(task_id) for task_id in "abc"]
        assert await claims.come() == ["a", "b", "c"]
        claims.answer("c", "a")
        assert [await one for one in asked] == [("a begun", False), (None, False), ("c begun", False)]
        assert len(claims.asked) == 1

    on_a_loop(test)


def test_what_comes_soon_after_waits_for_the_next_claim_and_no_longer_than_that() -> None:
    async def test(claims: Claims) -> None:
        claims.gate.ask("a")
        await claims.come()
        claims.gate.ask("b")
        claims.gate.ask("c")
        assert await claims.come() == ["b", "c"]
        (first, _), (second, _) = claims.asked
        assert second - first >= LINGER * 0.9  # timers may be a little early

    on_a_loop(test)


def test_of_two_messages_for_one_task_one_is_turned_away() -> None:
    async def test(claims: Claims) -> None:
        asked = [claims.gate.ask("a"), claims.gate.ask("a")]
        await claims.come()
        claims.answer("a")
        assert [await one for one in asked] == [("a begun", False), (None, False)]
        assert claims.begun == ["a"]

    on_a_loop(test)


def test_what_was_claimed_begins_though_whoever_brought_it_is_gone() -> None:
    async def test(claims: Claims) -> None:
        gone, other = claims.gate.ask("a"), claims.gate.ask("b")
        await claims.come()
        gone.cancel()
        claims.answer("a", "b")
        assert await asyncio.wait_for(other, 5) == ("b begun", False)
        assert claims.begun == ["a", "b"]

    on_a_loop(test)


def test_a_lost_answer_leaves_it_open_whether_it_was_claimed() -> None:
    async def test(claims: Claims) -> None:
        asked = claims.gate.ask("a")
        await claims.come()
        claims.answers[-1].set_exception(LedgerUnavailable("It is away."))
        assert await asked == (None, True)

    on_a_loop(test)
