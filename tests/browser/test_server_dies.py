"""The server is killed, frozen or redeployed while a page waits: the page ends, with a reason, and on time."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.served import BUSY, GRACE, Server, add_element, ending, let_a_moment_pass, now, seen, until, visit

HASTY = 1.0  # a lease in seconds, so that a deadline comes soon


def lent(folder: Path, lease: float) -> Iterator[Server]:
    """A server for one test after the other, which each may leave dead or frozen."""
    server = Server(folder, lease)
    yield server
    server.close()


@pytest.fixture(scope="module")
def patient_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from lent(tmp_path_factory.mktemp("patient"), 30.0)


@pytest.fixture(scope="module")
def hasty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from lent(tmp_path_factory.mktemp("hasty"), HASTY)


@pytest.fixture
def server(patient_server: Server) -> Server:
    patient_server.revive()
    return patient_server


@pytest.fixture
def hasty(hasty_server: Server) -> Server:
    hasty_server.revive()
    return hasty_server


def wait_for_a_brief_task(server: Server, page: Page) -> str:
    """See it run in a page that was there before it, since it has little time; return its ``src``."""
    visit(page, server.page())
    src = server.submit("rather_brief", "closed")
    add_element(page, src)
    expect(page.locator(".title")).to_have_text("Working")
    return src


def test_a_task_whose_server_was_killed_and_restarted_fails_as_worker_lost(server: Server, page: Page) -> None:
    src = server.submit("walk", "closed")
    visit(page, server.page(src))
    expect(page.locator(".title")).to_have_text("Working")
    server.kill()
    expect(page.locator(".message")).to_contain_text("Contact lost")
    server.start()
    back = now(page)
    ended = ending(page)
    assert (ended["detail"]["end"], ended["detail"]["reason"]) == ("failed", "worker_lost")
    expect(page.locator(".title")).to_have_text("Failed")
    expect(page.locator(".message")).to_have_text("The process that ran it died.")
    expect(page.locator(".detail")).not_to_be_empty()
    # Far before the task's deadline of many minutes: as soon as the page, which backs off up to 10 s, asks again.
    assert ended["at"] - back < 10 + BUSY
    assert server.row(src) == ("failed", "worker_lost")


def test_a_task_with_another_attempt_completes_after_the_server_was_killed_and_restarted(
    server: Server, page: Page
) -> None:
    src = server.submit("second_time_lucky", "closed")
    visit(page, server.page(src))
    expect(page.locator(".detail")).to_have_text("attempt 1")
    server.kill()
    expect(page.locator(".message")).to_contain_text("Contact lost")
    server.start()
    ended = ending(page)
    assert (ended["detail"]["end"], ended["detail"]["result"]) == ("completed", "done at the second attempt")
    expect(page.locator(".title")).to_have_text("Done")
    expect(page.locator(".result")).to_have_text("done at the second attempt")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_page_whose_server_is_gone_ends_by_the_deadline_of_the_task_and_may_look_again(
    hasty: Server, page: Page, number: signal.Signals
) -> None:
    src = wait_for_a_brief_task(hasty, page)
    hasty.send(number)
    ended = ending(page)
    assert ended["detail"]["end"] == "unreachable"
    told = seen(page, "settled-update")
    promised = min(update["at"] + update["detail"]["settles_in"] for update in told)
    assert promised + GRACE - 0.5 <= ended["at"] <= promised + GRACE + BUSY
    expect(page.locator(".title")).to_have_text("No answer")
    expect(page.locator(".message")).to_contain_text("Nobody answered in time")
    hasty.revive()
    let_a_moment_pass(page)
    page.get_by_role("button", name="Look again").click()
    expect(page.locator(".title")).to_have_text("Failed")
    reason = seen(page, "settled-end")[-1]["detail"]["reason"]
    assert reason in {"worker_lost", "timeout"}
    assert hasty.row(src) == ("failed", reason)


def test_a_server_that_was_frozen_past_the_deadline_tells_the_verdict_when_it_thaws(hasty: Server, page: Page) -> None:
    src = wait_for_a_brief_task(hasty, page)
    hasty.send(signal.SIGSTOP)
    told = seen(page, "settled-update")[-1]
    deadline = told["at"] + told["detail"]["settles_in"]
    until(lambda: now(page) > deadline, deadline, "the deadline passes")
    assert seen(page, "settled-end") == [], "the page bears it until the grace is over"
    hasty.send(signal.SIGCONT)
    ended = ending(page)
    assert ended["detail"]["end"] == "failed"
    assert ended["detail"]["reason"] in {"timeout", "worker_lost"}
    assert hasty.row(src) == ("failed", ended["detail"]["reason"])


def test_a_server_that_was_frozen_for_longer_than_its_lease_says_one_thing_and_abides_by_it(
    hasty: Server, page: Page
) -> None:
    src = hasty.submit("walk", "later")
    visit(page, hasty.page(src))
    expect(page.locator(".title")).to_have_text("Working")
    hasty.send(signal.SIGSTOP)
    frozen = now(page)
    until(lambda: now(page) > frozen + 2 * HASTY, 10, "the lease has run out")
    hasty.send(signal.SIGCONT)
    hasty.open_gate("later")
    ended = ending(page)["detail"]
    assert (ended["end"], ended["reason"]) in {("completed", None), ("failed", "worker_lost")}
    page.reload()
    assert ending(page)["detail"]["end"] == ended["end"]
    assert hasty.row(src) == (ended["end"], ended["reason"])


def test_a_task_cut_off_by_a_deploy_fails_as_interrupted(server: Server, page: Page) -> None:
    src = server.submit("walk", "closed")
    visit(page, server.page(src))
    expect(page.locator(".title")).to_have_text("Working")
    server.end()
    server.start()
    ended = ending(page)
    assert (ended["detail"]["end"], ended["detail"]["reason"]) == ("failed", "interrupted")
    expect(page.locator(".message")).to_have_text("It was cut off by a restart or a new version.")


def test_a_task_with_another_attempt_completes_after_a_deploy(server: Server, page: Page) -> None:
    src = server.submit("second_time_lucky", "closed")
    visit(page, server.page(src))
    expect(page.locator(".detail")).to_have_text("attempt 1")
    server.end()
    server.start()
    assert ending(page)["detail"]["result"] == "done at the second attempt"
