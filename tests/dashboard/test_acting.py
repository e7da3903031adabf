"""Cancel, retry, delete: for one, for a selection, for all that match, with a page before that names the count."""

from __future__ import annotations

import logging

import pytest

from settled.dashboard import Access
from settled.dashboard.pages import acting
from settled.states import Reason, Status
from tests.dashboard.world import Place, fields, text_of

pytestmark = pytest.mark.anyio

FAILED = {"reason": Reason.EXCEPTION, "error_message": "no"}


async def test_a_selection_is_cancelled_and_it_is_known_who_did_it(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [place.submit(), place.submit(run=True)]
    done = place.settled()
    with caplog.at_level(logging.INFO, "settled.dashboard"):
        async with place.browser(access=lambda request: Access("write", "ada@example.org")) as browser:
            token = await browser.token()
            ids = [row.id for row in (*rows, done)]
            asked = await browser.post("/confirm", {"csrf": token, "hand": "cancel.these", "id": ids}, 200)
            assert "Cancel 2 tasks?" in text_of(asked.text)
            answer = await browser.post("/do", fields(asked.text), 303)
            page = await browser.client.get(answer.headers["location"])
            assert "2 tasks cancelled." in text_of(page.text)
            assert "Cancelled in the dashboard by ada@example.org." in text_of(await browser.get(f"/{rows[0].id}"))
    for row in rows:
        now = place.ledger.get(row.id)
        assert (now.status, now.reason, now.error_message) == (Status.FAILED, "cancelled", "Cancelled on request.")
    assert place.ledger.get(done.id).status is Status.COMPLETED
    (said,) = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert said.startswith("2 tasks: cancelled by ada@example.org: ")
    assert all(row.id in said for row in rows)


async def test_one_that_has_failed_is_tried_again_once(place: Place) -> None:
    row = place.settled(failing=FAILED)
    async with place.browser() as browser:
        first = await browser.act("retry.these", row.id)
        second = await browser.act("retry.these", row.id)
    assert first.headers["location"] == second.headers["location"]
    new = place.ledger.get(first.headers["location"].rpartition("/")[2])
    assert (new.retry_of, new.status, new.arguments) == (row.id, Status.PENDING, row.arguments)


async def test_what_is_open_cannot_be_deleted(place: Place) -> None:
    row, done = place.submit(), place.settled()
    async with place.browser() as browser:
        token = await browser.token()
        asked = await browser.post("/confirm", {"csrf": token, "hand": "delete.these", "id": row.id}, 200)
        assert "Nothing here can be deleted" in text_of(asked.text)
        forced = {"csrf": token, "hand": "delete.these", "id": [row.id, done.id]}
        await browser.post("/do", forced, 303)
    assert [one.id for one in place.ledger.store.read([row.id, done.id])] == [row.id]


async def test_all_that_match_are_acted_on_step_by_step_and_nothing_that_came_later(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acting, "STEP", 2)
    monkeypatch.setattr(acting, "STEP_SECONDS", 0.0)
    old = [place.settled("old", failing=FAILED) for _ in range(5)]
    others = [place.settled("old"), place.settled("new", failing=FAILED), place.submit("old")]
    async with place.browser() as browser:
        token = await browser.token()
        form = {"csrf": token, "hand": "delete.all", "name": "old", "status": "failed"}
        asked = await browser.post("/confirm", form, 200)
        assert "Delete 5 tasks?" in text_of(asked.text)
        place.world.advance(1)
        late = place.settled("old", failing=FAILED)
        step = await browser.post("/do", fields(asked.text), 200)
        assert "2 of 5 deleted" in text_of(step.text)
        step = await browser.post("/do", fields(step.text), 200)
        step = await browser.post("/do", fields(step.text), 303)
        assert "said=delete.5" in step.headers["location"]
    left = {row.id for row in place.ledger.store.read([row.id for row in (*old, *others, late)])}
    assert left == {row.id for row in (*others, late)}


async def test_a_retry_of_all_that_match_does_not_meet_its_own_tasks(place: Place) -> None:
    rows = [place.settled(failing=FAILED) for _ in range(3)]
    async with place.browser() as browser:
        answer = await browser.act("retry.all", status="settled")
        assert "said=retry.3" in answer.headers["location"]
        answer = await browser.act("cancel.all", q="retry of")
        assert "said=cancel.3" in answer.headers["location"]
    made = place.ledger.list(limit=50)
    assert {row.retry_of for row in made if row.retry_of} == {row.id for row in rows}
    assert len(made) == 6


async def test_a_form_that_is_not_ours_is_refused(place: Place) -> None:
    row = place.submit()
    async with place.browser() as browser:
        token = await browser.token()
        form = {"csrf": token, "hand": "cancel.these", "id": row.id}
        for path in ("/confirm", "/do"):
            await browser.post(path, {**form, "csrf": "x" * 32}, 403)
            await browser.post(path, {key: form[key] for key in ("hand", "id")}, 403)
            await browser.post(path, form, 403, origin="http://evil.example")
            await browser.post(path, form, 403, origin="null")
            await browser.post(path, form, 403, **{"sec-fetch-site": "cross-site"})
            await browser.post(path, form, 403, **{"sec-fetch-site": "same-site"})
        cookies, browser.client.cookies = browser.client.cookies, type(browser.client.cookies)()
        await browser.post("/do", form, 403)
        browser.client.cookies = cookies
        await browser.post("/", form, 405)
        assert (await browser.client.get("/tasks/ui/do", params=form)).status_code == 303
        await browser.post("/do", {**form, "hand": "explode.these"}, 400)
        await browser.post("/do", {**form, "padding": "x" * 300_000}, 413)
        assert place.ledger.get(row.id).status is Status.PENDING
        await browser.post("/do", form, 303)
    assert place.ledger.get(row.id).reason == "cancelled"


async def test_who_may_only_read_gets_no_form_and_no_act(place: Place) -> None:
    row = place.submit()
    async with place.browser(access=lambda request: "read") as browser:
        pages = [await browser.get(), await browser.get(f"/{row.id}"), await browser.get("/failures")]
        assert not any('method="post"' in page or "csrf" in page for page in pages)
        token = browser.client.cookies["settled_form"]
        form = {"csrf": token, "hand": "cancel.these", "id": row.id}
        for path in ("/confirm", "/do"):
            assert "You may look, but not act." in (await browser.post(path, form, 403)).text
    assert place.ledger.get(row.id).status is Status.PENDING
