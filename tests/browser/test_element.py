"""The element against a server that lives: what it shows, what its button does, and how little it asks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect

from settled.ids import new_id
from tests.browser.app import HOSTILE, SIGNED_IN
from tests.browser.served import Server, ending, let_a_moment_pass, seen, until, visit

WEEK = 7 * 86_400_000  # milliseconds
NOW = 1_800_000_000_000  # a day in January 2027: ids from then are younger than the retention for long
ANCIENT = 1_500_000_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    served = Server(tmp_path_factory.mktemp("served"))
    yield served
    served.close()


def test_a_task_is_shown_from_pending_by_way_of_its_progress_to_its_result(server: Server, page: Page) -> None:
    server.submit("in_the_only_thread", "thread")
    src = server.submit("in_the_only_thread", "next")
    visit(page, server.page(src))
    expect(page.locator(".title")).to_have_text("Waiting to start")
    expect(page.get_by_role("progressbar")).to_be_visible()
    server.open_gate("thread")
    expect(page.locator(".title")).to_have_text("Working")
    server.open_gate("next")
    expect(page.locator(".title")).to_have_text("Done")
    expect(page.locator(".result")).to_have_text("the thread is free")
    expect(page.get_by_role("progressbar")).to_be_hidden()
    states = [update["state"] for update in seen(page, "settled-update")]
    assert list(dict.fromkeys(states)) == ["pending", "running"]
    assert ending(page)["detail"]["end"] == "completed"


def test_an_element_that_has_no_task_shows_nothing_until_it_has_one(server: Server, page: Page) -> None:
    src = server.submit("walk", "later")
    visit(page, server.page(""))
    expect(page.locator("settled-task .card")).to_be_hidden()
    page.evaluate("document.querySelector('settled-task').removeAttribute('src')")
    expect(page.locator("settled-task .card")).to_be_hidden()
    page.evaluate("src => document.querySelector('settled-task').setAttribute('src', src)", src)
    expect(page.locator(".detail")).to_have_text("two of five")
    server.open_gate("later")
    expect(page.locator(".title")).to_have_text("Done")


def test_progress_and_an_object_as_the_result_are_shown(server: Server, page: Page) -> None:
    src = server.submit("walk", "progress")
    visit(page, server.page(src))
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "40")
    expect(page.locator(".detail")).to_have_text("two of five")
    server.open_gate("progress")
    expect(page.locator(".result")).to_have_text(
        '{\n  "walked": 5,\n  "as far as": "Wien, 東京"\n}', use_inner_text=True
    )
    assert ending(page)["detail"]["result"] == {"walked": 5, "as far as": "Wien, 東京"}


def test_a_failure_is_shown_with_its_reason_and_its_message(server: Server, page: Page) -> None:
    visit(page, server.page(server.submit("fails_until", "never")))
    expect(page.locator(".title")).to_have_text("Failed")
    expect(page.locator(".message")).to_have_text("It ran into an error.")
    expect(page.locator(".detail")).to_have_text("The gate is closed. Open it, then try again.")
    assert ending(page)["detail"]["reason"] == "exception"


def test_a_page_that_is_reloaded_in_the_middle_finds_its_task_again(server: Server, page: Page) -> None:
    src = server.submit("walk", "reload")
    visit(page, server.page(src))
    expect(page.locator(".detail")).to_have_text("two of five")
    page.reload()
    expect(page.locator(".detail")).to_have_text("two of five")
    server.open_gate("reload")
    assert ending(page)["detail"]["end"] == "completed"


def test_the_cancel_button_settles_the_task(server: Server, page: Page) -> None:
    src = server.submit("walk", "cancelled")
    visit(page, server.page(src, having="cancellable"))
    expect(page.locator(".title")).to_have_text("Working")
    let_a_moment_pass(page)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".title")).to_have_text("Cancelled")
    expect(page.get_by_role("button")).to_have_count(0)
    assert ending(page)["detail"]["reason"] == "cancelled"
    assert server.row(src) == ("failed", "cancelled")


def test_the_retry_button_follows_the_new_task(server: Server, page: Page) -> None:
    src = server.submit("fails_until", "second-try")
    visit(page, server.page(src, having="retryable"))
    expect(page.locator(".title")).to_have_text("Failed")
    server.open_gate("second-try")
    let_a_moment_pass(page)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".result")).to_have_text("through the gate")
    first, second = seen(page, "settled-end")
    assert (first["detail"]["end"], second["detail"]["end"]) == ("failed", "completed")
    assert second["src"] != src
    assert server.row(src) == ("failed", "exception")
    assert len(server.requests(f"{src}/retry", "POST")) == 1


def test_two_elements_of_one_task_make_one_request_at_a_time(server: Server, page: Page) -> None:
    src = server.submit("walk", "shared")
    visit(page, server.page(src, src))
    expect(page.locator(".detail")).to_have_text(["two of five"] * 2)
    until(lambda: len(server.requests(src)) > 1, 20, "the page has asked a second time")
    server.open_gate("shared")
    expect(page.locator("settled-task[state=completed]")).to_have_count(2)
    looks = server.requests(src)
    assert all(one["ended"] <= other["began"] for one, other in pairwise(looks)), looks
    assert len(seen(page, "settled-end")) == 2


def test_a_page_of_many_waits_leaves_room_for_other_requests(server: Server, page: Page) -> None:
    srcs = [server.submit("walk", "crowd") for _ in range(12)]
    visit(page, server.page(*srcs))
    expect(page.locator(".detail")).to_have_text(["two of five"] * 12)
    until(lambda: sum("ended" not in look for src in srcs for look in server.requests(src)) >= 3, 20, "three are held")
    assert page.evaluate("fetch('/gates/crowd', { method: 'POST' }).then(({ status }) => status)") == 204
    expect(page.locator("settled-task[state=completed]")).to_have_count(12)


def test_what_has_settled_comes_from_the_cache_of_the_browser(server: Server, page: Page) -> None:
    src = server.submit("hostile_result", False)
    visit(page, server.page(src))
    ending(page)
    asked = len(server.requests(src))
    page.goto(server.page(src))
    assert ending(page)["detail"]["end"] == "completed"
    assert len(server.requests(src)) == asked


def test_an_element_that_is_removed_asks_no_more(server: Server, page: Page) -> None:
    src, other = server.submit("walk", "removed"), server.submit("walk", "stays")
    visit(page, server.page(src, other))
    expect(page.locator(".detail")).to_have_text(["two of five"] * 2)
    page.locator("settled-task").first.evaluate("(element) => element.remove()")
    until(lambda: all("ended" in look for look in server.requests(src)), 10, "the server sees the page let go")
    asked = len(server.requests(src))
    server.open_gate("removed")
    looked = len(server.requests(other))
    until(lambda: server.row(src)[0] == "completed", 10, "the work goes on without the page")
    server.open_gate("stays")
    assert ending(page)["src"] == other
    assert len(server.requests(other)) >= looked
    assert len(server.requests(src)) == asked


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_hostile_result_is_text(server: Server, page: Page, wrapped: bool) -> None:
    visit(page, server.page(server.submit("hostile_result", wrapped), lax=True))
    expect(page.locator(".result")).to_contain_text("<script>hacked = 2</script>")
    nothing_ran(server, page)


def test_a_hostile_message_is_text(server: Server, page: Page) -> None:
    visit(page, server.page(server.submit("hostile_failure"), lax=True))
    expect(page.locator(".detail")).to_have_text(HOSTILE)
    nothing_ran(server, page)


def test_a_hostile_progress_is_text(server: Server, page: Page) -> None:
    visit(page, server.page(server.submit("hostile_progress", "hostile"), lax=True))
    expect(page.locator(".detail")).to_have_text(HOSTILE)
    server.open_gate("hostile")
    ending(page)
    nothing_ran(server, page)


def nothing_ran(server: Server, page: Page) -> None:
    ending(page)
    assert page.locator("settled-task :is(img, script, svg)").count() == 0
    assert page.evaluate("typeof hacked") == "undefined"
    assert server.requests("/stolen") == []


def test_an_unknown_task_ends_as_unknown(server: Server, page: Page) -> None:
    src = f"/tasks/{new_id(NOW)}"
    visit(page, server.page(src))
    expect(page.locator(".title")).to_have_text("Not found")
    assert ending(page)["detail"]["end"] == "unknown"
    assert len(server.requests(src)) > 1, "a replica that lags gets a second chance"


def test_a_task_older_than_the_retention_ends_as_unknown_at_once(server: Server, page: Page) -> None:
    src = f"/tasks/{new_id(ANCIENT)}"
    visit(page, server.page(src))
    expect(page.locator(".title")).to_have_text("Not found")
    expect(page.locator(".message")).to_contain_text("kept only for a while")
    assert len(server.requests(src)) == 1


def test_who_is_not_signed_in_is_denied_at_once_and_looks_again_by_hand(server: Server, page: Page) -> None:
    src = server.submit("private", "signed-in")
    server.open_gate("signed-in")
    visit(page, server.page(src))
    expect(page.locator(".title")).to_have_text("No access")
    expect(page.locator(".message")).to_contain_text("not signed in")
    assert ending(page)["detail"]["end"] == "denied"
    assert len(server.requests(src)) == 1
    page.context.add_cookies([{"name": SIGNED_IN, "value": "me", "url": server.url}])
    let_a_moment_pass(page)
    page.get_by_role("button", name="Look again").click()
    expect(page.locator(".result")).to_have_text("for those who are signed in")


@pytest.mark.parametrize("width", [360, 1280])
def test_a_long_word_is_broken_and_does_not_widen_the_page(server: Server, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    visit(page, server.page(server.submit("long_words")))
    expect(page.locator(".title")).to_have_text("Failed")
    assert page.locator(".detail").evaluate("(text) => text.scrollWidth <= text.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
