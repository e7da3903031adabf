"""The server is killed, frozen or redeployed while a page waits: the page ends, with a reason, and on time."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.served import BUSY, GRACE, Server, add_element, ending, now, seen, until, visit

LEASE = 1.0  # seconds, so that a deadline comes soon


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    served = Server(tmp_path, LEASE)
    yield served
    served.close()


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
def test_a_page_whose_server_is_gone_for_good_ends_by_the_deadline_of_the_task(
    server: Server, page: Page, number: signal.Signals
) -> None:
    visit(page, server.page(server.submit("brief", "closed")))
    expect(page.locator(".title")).to_have_text("Working")
    server.send(number)
    ended = ending(page)
    assert ended["detail"]["end"] == "unreachable"
    told = seen(page, "settled-update")
    promises = [update["at"] + update["detail"]["settles_in"] for update in told]
    assert min(promises) <= ended["at"] <= min(promises) + GRACE + 2
    expect(page.locator(".title")).to_have_text("No answer")
    expect(page.locator(".message")).to_contain_text("Nobody answered in time")
    expect(page.get_by_role("button", name="Look again")).to_be_visible()


def test_who_looks_again_after_an_outage_learns_how_the_task_ended(server: Server, page: Page) -> None:
    src = server.submit("brief", "closed")
    visit(page, server.page())
    server.kill()
    end = page.evaluate(
        """async (src) => {
          const { waitForTask } = await import("/tasks/settled.js");
          return (await waitForTask(src, { patience: 1, grace: 0 })).end;
        }""",
        src,
    )
    assert end == "unreachable"
    server.start()
    add_element(page, src)
    assert ending(page)["detail"]["reason"] in {"worker_lost", "never_started", "timeout"}


def test_a_server_that_was_frozen_past_the_deadline_tells_the_verdict_when_it_thaws(server: Server, page: Page) -> None:
    src = server.submit("brief", "closed")
    visit(page, server.page(src))
    expect(page.locator(".title")).to_have_text("Working")
    server.send(signal.SIGSTOP)
    told = seen(page, "settled-update")[-1]
    deadline = told["at"] + told["detail"]["settles_in"]
    until(lambda: now(page) > deadline, GRACE, "the deadline passes")
    assert seen(page, "settled-end") == [], "the page bears it until the grace is over"
    server.send(signal.SIGCONT)
    ended = ending(page)
    assert ended["detail"]["end"] == "failed"
    assert ended["detail"]["reason"] in {"timeout", "worker_lost"}
    assert server.row(src) == ("failed", ended["detail"]["reason"])


def test_a_server_that_was_frozen_for_longer_than_its_lease_says_one_thing_and_abides_by_it(
    server: Server, page: Page
) -> None:
    src = server.submit("walk", "later")
    visit(page, server.page(src))
    expect(page.locator(".title")).to_have_text("Working")
    server.send(signal.SIGSTOP)
    frozen = now(page)
    until(lambda: now(page) > frozen + 2 * LEASE, 10, "the lease has run out")
    server.send(signal.SIGCONT)
    server.open_gate("later")
    ended = ending(page)["detail"]
    assert (ended["end"], ended["reason"]) in {("completed", None), ("failed", "worker_lost")}
    page.reload()
    assert ending(page)["detail"]["end"] == ended["end"]
    assert server.row(src) == (ended["end"], ended["reason"])


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
