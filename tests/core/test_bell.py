"""The bell: a hint that wakes who waits, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from settled.bell import Bell
from settled.post import Post
from tests.core.test_verdicts import row


def ring(bell: Bell, *ids: str) -> None:
    post = Post()
    bell.ring(list(ids), None, post)
    post.send()


def test_a_listener_in_a_thread_is_woken() -> None:
    bell = Bell()
    ear = bell.listen("a")
    woken = threading.Event()

    def wait() -> None:
        ear.wait(10)
        woken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    ring(bell, "b", "a")
    assert woken.wait(timeout=10)
    thread.join(timeout=10)
    bell.stop(ear)


def test_a_ring_before_the_wait_is_not_lost() -> None:
    bell = Bell()
    ear = bell.listen("a")
    ring(bell, "a")
    ear.wait(10)
    bell.stop(ear)


def test_a_wait_ends_by_itself() -> None:
    bell = Bell()
    ear = bell.listen("a")
    ear.wait(0.01)
    bell.stop(ear)


class Collecting(str):
    """A task's id at whose nth hashing garbage is collected, and in it somebody who listened."""

    collect: Callable[[], None]
    after: int

    def __hash__(self) -> int:
        self.after -= 1
        if self.after == 0:
            self.collect()
        return super().__hash__()


@pytest.mark.parametrize("after", [1, 2, 3])
@pytest.mark.parametrize("verb", ["listen", "stop"])
def test_one_who_is_ended_by_the_collector_meanwhile_keeps_nobody(verb: str, after: int) -> None:
    bell = Bell()
    ended, mine = bell.listen("a"), bell.listen("a")
    woken = threading.Event()
    task_id = Collecting("a")
    task_id.collect, task_id.after = lambda: bell.stop(ended), after

    def go_on() -> None:
        if verb == "stop":
            mine.task_id = task_id
            bell.stop(mine)
        else:
            bell.stop(mine)
            ear = bell.listen(task_id)
            ring(bell, "a")
            ear.wait(10)
            assert ear.has_rung
            bell.stop(ear)
        task_id.after = 0
        bell.stop(ended)  # were it not yet
        woken.set()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    assert woken.wait(timeout=10)
    assert bell.watched() == []


def test_a_listener_on_a_loop_is_woken_from_another_thread() -> None:
    async def listen() -> None:
        bell = Bell()
        ears = [bell.listen("a", asyncio.get_running_loop()) for _ in range(3)]
        thread = threading.Thread(target=ring, args=(bell, "a"))
        thread.start()
        for ear in ears:
            await asyncio.wait_for(ear.await_(10), timeout=5)
            bell.stop(ear)
        thread.join(timeout=10)

    asyncio.run(listen())


def test_a_ring_on_the_loop_before_the_wait_is_not_lost_and_forget_begins_anew() -> None:
    async def listen() -> None:
        bell = Bell()
        ear = bell.listen("a", asyncio.get_running_loop())
        ring(bell, "a")
        await asyncio.sleep(0)
        await asyncio.wait_for(ear.await_(10), timeout=5)
        ear.forget()
        await asyncio.wait_for(ear.await_(0.01), timeout=5)
        bell.stop(ear)

    asyncio.run(listen())


def test_news_come_with_the_ring() -> None:
    bell = Bell()
    ears = [bell.listen("a"), bell.listen("a"), bell.listen("b")]
    post = Post()
    bell.ring(["a", "b"], {"a": row()}, post)
    post.send()
    assert [ear.news for ear in ears] == [row(), row(), None]
    for ear in ears:
        bell.stop(ear)


def test_nobody_listens_after_the_last_has_stopped() -> None:
    bell = Bell()
    ears = [bell.listen(task_id) for task_id in "aab"]
    assert sorted(bell.watched()) == ["a", "b"]
    for ear in ears:
        bell.stop(ear)
    assert bell.watched() == []
    assert bell._ears == {}
    ring(bell, "a")


def test_a_waiter_that_is_cancelled_listens_no_more() -> None:
    async def cancel() -> Bell:
        bell = Bell()

        async def wait() -> None:
            ear = bell.listen("a", asyncio.get_running_loop())
            try:
                await ear.await_(10)
            finally:
                bell.stop(ear)

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        assert bell.watched() == ["a"]
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return bell

    assert asyncio.run(cancel())._ears == {}


def test_a_loop_that_was_closed_is_no_trouble() -> None:
    bell = Bell()
    loop = asyncio.new_event_loop()
    ear = bell.listen("a", loop)
    loop.close()
    ring(bell, "a")
    bell.ring_all()
    bell.stop(ear)


def test_a_long_wait_without_a_ring_ends_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("settled.rounds.STEP", 0.01)

    async def wait() -> None:
        bell = Bell()
        loop = asyncio.get_running_loop()
        rounds = bell.rounds(loop)
        ears = [bell.listen(task_id, loop) for task_id in "abc"]
        begun = loop.time()
        waits = [asyncio.ensure_future(rounds.await_(ear, 0.05)) for ear in ears]
        await asyncio.sleep(0)
        ears[0].ring()
        assert await asyncio.wait_for(waits[0], timeout=5)
        waits[1].cancel()
        assert not await asyncio.wait_for(waits[2], timeout=5)  # nobody rings this one
        assert loop.time() - begun >= 0.05 - 0.01 - 0.001
        assert rounds._slots == {}
        assert rounds._timer is None
        assert bell.rounds(loop) is rounds

    asyncio.run(wait())


@pytest.mark.parametrize("seconds", [0.5, 5.0])
def test_a_ring_before_a_long_wait_is_not_lost(seconds: float) -> None:
    async def wait() -> bool:
        bell = Bell()
        loop = asyncio.get_running_loop()
        ear = bell.listen("a", loop)
        ear.ring()
        return await asyncio.wait_for(bell.rounds(loop).await_(ear, seconds), timeout=2)

    assert asyncio.run(wait())


def test_the_rounds_of_a_closed_loop_are_forgotten() -> None:
    bell = Bell()
    old = asyncio.new_event_loop()
    bell.rounds(old)
    old.close()
    new = asyncio.new_event_loop()
    bell.rounds(new)
    assert list(bell._rounds) == [new]
    new.close()


def test_a_last_word_whose_delivery_was_lost_is_rung_for_again() -> None:
    async def play() -> bool:
        bell = Bell()
        loop = asyncio.get_running_loop()
        ear = bell.listen("a", loop)
        bell.ring(["a"], {"a": row()}, Post())  # never sent
        bell.ring(["a"])
        try:
            return await ear.await_(5) and ear.told
        finally:
            bell.stop(ear)

    assert asyncio.run(play())


def test_who_has_the_last_word_is_not_woken_twice() -> None:
    async def play() -> bool:
        bell = Bell()
        ear = bell.listen("a", asyncio.get_running_loop())
        bell.ring(["a"], {"a": row()})
        assert await ear.await_(5)
        sent = Post()
        bell.ring(["a"], None, sent)
        bell.stop(ear)
        return bool(sent._by_loop)

    assert not asyncio.run(play())


def test_the_first_who_is_told_goes_on_before_a_handle_is_made_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """See ``Turn``."""

    async def play() -> tuple[list[int], int]:
        bell = Bell()
        loop = asyncio.get_running_loop()
        call_soon = loop.call_soon
        handles, before_the_first = 0, 0
        heard: list[int] = []

        async def wait(number: int) -> None:
            nonlocal before_the_first
            ear = bell.listen("a", loop)
            assert await bell.rounds(loop).await_(ear, 60)
            before_the_first = before_the_first or handles
            heard.append(number)
            bell.stop(ear)

        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal handles
            handles += 1
            return call_soon(*arguments, **options)

        waits = [asyncio.ensure_future(wait(number)) for number in range(100)]
        await asyncio.sleep(0)
        monkeypatch.setattr(loop, "call_soon", counted)
        post = Post()
        bell.ring(["a"], {"a": row()}, post)
        post.send()
        await asyncio.gather(*waits)
        return heard, before_the_first

    heard, handles = asyncio.run(play())
    assert heard == list(range(100))
    assert handles < 5


def test_a_waiter_that_is_cancelled_as_it_is_rung_is_cancelled() -> None:
    async def play() -> bool:
        bell = Bell()
        loop = asyncio.get_running_loop()

        async def wait() -> None:
            await bell.listen("a", loop).await_(10)

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        waiting.cancel()
        ring(bell, "a")
        await asyncio.wait([waiting], timeout=5)
        return waiting.cancelled()

    assert asyncio.run(play())


def test_one_who_raises_does_not_keep_the_others_from_going_on() -> None:
    async def play() -> list[object]:
        bell = Bell()
        loop = asyncio.get_running_loop()

        async def wait(number: int) -> int:
            await bell.listen("a", loop).await_(10)
            if number == 0:
                raise ValueError(number)
            return number

        waits = [asyncio.ensure_future(wait(number)) for number in range(3)]
        await asyncio.sleep(0)
        ring(bell, "a")
        return list(await asyncio.wait_for(asyncio.gather(*waits, return_exceptions=True), timeout=5))

    broken, *others = asyncio.run(play())
    assert isinstance(broken, ValueError)
    assert others == [1, 2]


def test_one_who_ends_the_loop_does_not_leave_the_others_waiting() -> None:
    loop = asyncio.new_event_loop()
    bell = Bell()
    went_on: list[int] = []

    async def wait(number: int) -> None:
        await bell.rounds(loop).await_(bell.listen("a", loop), 3_600)
        if number == 0:
            raise SystemExit
        went_on.append(number)

    async def play() -> None:
        waits = [asyncio.ensure_future(wait(number)) for number in range(3)]
        await asyncio.sleep(0)
        ring(bell, "a")
        await asyncio.wait(waits)
        assert isinstance(waits[0].exception(), SystemExit)

    playing = loop.create_task(play())
    with pytest.raises(SystemExit):
        loop.run_until_complete(playing)
    loop.run_until_complete(asyncio.wait_for(playing, timeout=5))
    assert went_on == [1, 2]
    loop.close()
