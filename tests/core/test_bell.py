"""The bell: a hint that wakes who waits, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import threading

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
    monkeypatch.setattr("settled.bell.ROUND", 0.05)

    async def wait() -> None:
        bell = Bell()
        loop = asyncio.get_running_loop()
        rounds = bell.rounds(loop)
        ears = [bell.listen(task_id, loop) for task_id in "ab"]
        waits = [rounds.join(ear) for ear in ears]
        ears[0].ring()
        await asyncio.wait_for(waits[0], timeout=5)
        rounds.leave(ears[0])
        await asyncio.wait_for(waits[1], timeout=5)  # nobody rings this one
        assert rounds._due == {}
        assert bell.rounds(loop) is rounds

    asyncio.run(wait())


def test_a_ring_before_a_long_wait_is_not_lost() -> None:
    async def wait() -> None:
        bell = Bell()
        loop = asyncio.get_running_loop()
        ear = bell.listen("a", loop)
        ear.ring()
        await asyncio.wait_for(bell.rounds(loop).join(ear), timeout=2)

    asyncio.run(wait())


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
