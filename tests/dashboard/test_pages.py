"""What the pages say, over both stores."""

from __future__ import annotations

import os

import pytest

from settled.states import Reason
from settled.stores.base import Progress
from tests.dashboard.world import ROOT, Place, links, text_of

pytestmark = pytest.mark.anyio

HOSTILE = "<img src=x onerror=alert(1)>\"'&amp;\x00\u202e</script><script>alert(2)</script>"
TRACE = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\nValueError: no'


async def test_the_list_is_newest_first_and_goes_on(place: Place) -> None:
    made = []
    for _ in range(53):
        made.append(place.submit().id)
        place.world.advance(0.01)
    async with place.browser() as browser:
        first = await browser.get()
        assert links(first) == made[:-51:-1]
        older = first.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
        rest = (await browser.client.get(older)).text
    assert links(rest) == made[2::-1]
    assert "That is all." in text_of(rest)


async def test_a_filter_is_in_the_address_and_finds_what_it_says(place: Place) -> None:
    wait = place.submit("scrape", key="inv-7")
    bad = place.settled("scrape", failing={"reason": Reason.TIMEOUT, "error_message": "too slow: host a1"})
    good = place.settled("mail", arguments='{"args":[],"kwargs":{"to":"ada@example.org"}}')
    async with place.browser() as browser:
        for query, found in (
            ({"status": "open"}, [wait]), ({"status": "failed"}, [bad]), ({"status": "settled"}, [good, bad]),
            ({"reason": "timeout"}, [bad]), ({"reason": "exception"}, []), ({"name": "mail"}, [good]),
            ({"q": "TOO slow"}, [bad]), ({"q": "inv-7"}, [wait]), ({"q": "ada@"}, [good]), ({"q": good.id}, [good]),
            ({"like": "too slow: host a#", "status": "failed"}, [bad]), ({"like": "other"}, []),
            ({"worker": place.worker}, [good, bad]), ({"status": "no such"}, [good, bad, wait]),
        ):  # fmt: skip
            page = await browser.get(**query)
            assert set(links(page)) == {row.id for row in found}, query
            assert ("No task matches." in page) is (not found)
        page = await browser.get(status="failed", q="slow", name="scrape")
    assert '<option value="failed" selected>' in page
    assert 'name="q" id="q" value="slow"' in page


async def test_a_task_says_all_that_is_known_of_it(place: Place) -> None:
    row = place.submit("scrape", run=True, key="k-1", owner="ada", arguments='{"args":["u"],"kwargs":{"depth":2}}')
    place.world.advance(1)
    place.ledger._writer.write_all("progress", [Progress(row.id, 1, 0.4, "12 of 30 pages")], 5)
    async with place.browser() as browser:
        page = text_of(await browser.get(f"/{row.id}"))
        for said in ('scrape ("u", depth=2)', "12 of 30 pages", "Submitted", "claimed", "Settles by", "k-1", "ada",
                     place.worker, '"depth": 2', "timeout 10 s"):  # fmt: skip
            assert said in page, said
        bad = place.settled(failing={"reason": Reason.EXCEPTION, "error_message": "no", "error_type": "ValueError",
                                     "traceback": TRACE})  # fmt: skip
        page = text_of(await browser.get(f"/{bad.id}"))
        for said in ("Settled: failed, exception", "ValueError", "Traceback (most recent call last):", "in f"):
            assert said in page, said
        again = place.ledger.retry(bad.id)[0]
        assert again.id in await browser.get(f"/{bad.id}")
        assert bad.id in await browser.get(f"/{again.id}")
        done = place.settled(result='{"words":12}')
        assert '"words": 12' in text_of(await browser.get(f"/{done.id}"))


async def test_looking_at_an_overdue_task_settles_it(place: Place) -> None:
    row = place.submit("nobody_knows_it")
    place.world.advance(25)
    async with place.browser() as browser:
        page = text_of(await browser.get(f"/{row.id}"))
    assert "never started" in page
    assert place.ledger.store.read([row.id])[0].settled


async def test_failures_alike_are_one_group_with_counts_over_time(place: Place) -> None:
    for number in range(3):
        place.settled(failing={"reason": Reason.EXCEPTION, "error_message": f"card of customer {number} was declined"})
        place.world.advance(3_600)
    place.settled(failing={"reason": Reason.WORKER_LOST, "error_message": "gone (last heard 2.5 s before)."})
    async with place.browser() as browser:
        page = await browser.get("/failures")
        said = text_of(page)
        assert "4 tasks failed in the last 24 hours." in said
        assert said.index("exception 3") < said.index("worker lost 1")
        assert "card of customer 2 was declined" in said
        assert "customer 0" not in said
        group = page.partition('<p class="message"><a href="')[2].partition('"')[0].replace("&amp;", "&")
        assert len(links((await browser.client.get(group)).text)) == 3
        assert "2 tasks failed in the last hour" in text_of(await browser.get("/failures", window="1h"))
        assert "2.5 s" in text_of(await browser.get("/workers"))


async def test_the_workers_page_says_whether_anyone_is_alive(place: Place) -> None:
    async with place.browser() as browser:
        said = text_of(await browser.get("/workers"))
        assert "1 worker is alive. Nothing is due." in said
        assert f"process {os.getpid()}, embedded" in " ".join(said.split()).replace(" ,", ",")
        place.submit("thumbnail")
        assert "None of them knows thumbnail , which waits." in text_of(await browser.get("/workers"))
        place.submit(run=True)
        assert "1 task" in text_of(await browser.get("/workers"))
        place.ledger.membership.dismiss()
        assert "Nobody is alive, and 1 due task waits." in text_of(await browser.get("/workers"))


async def test_what_is_not_there_is_said(place: Place) -> None:
    async with place.browser() as browser:
        assert "No task has the id" in await browser.get("/ff931f6e-7c00-7cc3-98c4-dc0c0c07398f", 404)
        await browser.get("/01831f6e-7c00-7cc3-98c4-dc0c0c07398f", 410)
        await browser.get("/nonsense", 404)
        await browser.get("/nonsense/more", 404)
        await browser.get("/static/../app.py", 404)
        assert "There is no task yet." in await browser.get()
        answer = await browser.client.get(ROOT)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{ROOT}/")


async def test_hostile_texts_are_text_on_every_page(place: Place) -> None:
    storable = HOSTILE.replace("\x00", "")
    row = place.settled(
        storable, key=storable, owner=storable, arguments='{"args":["</pre><script>alert(3)</script>"],"kwargs":{}}',
        failing={"reason": Reason.EXCEPTION, "error_message": storable, "error_type": storable, "traceback": storable},
    )  # fmt: skip
    done = place.settled(storable, result='"</code></pre><script>alert(4)</script>"')
    waits = place.submit(storable)
    async with place.browser() as browser:
        pages = [
            await browser.get(), await browser.get(q=storable), await browser.get(name=storable, like=storable),
            await browser.get("/failures"), await browser.get("/workers"), await browser.get(f"/{row.id}"),
            await browser.get(f"/{done.id}"), await browser.get(f"/{waits.id}"), await browser.get("/<script>", 404),
        ]  # fmt: skip
        token = await browser.token()
        form = {"csrf": token, "hand": "delete.these", "id": [row.id, done.id], "q": storable, "place": storable}
        pages.append((await browser.post("/confirm", form, 200)).text)
    for page in pages:
        assert page.count("<script") == 1, page
        assert "<img" not in page
        assert "onerror=" not in page or "&lt;img src=x onerror=" in page


async def test_every_answer_forbids_what_a_page_does_not_need(sqlite: Place) -> None:
    async with sqlite.browser() as browser:
        for path in ("/", "/failures", "/workers", "/nonsense", "/static/dashboard.js"):
            headers = (await browser.client.get(ROOT + path)).headers
            policy = headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self';")
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["x-content-type-options"] == "nosniff"
        assert "style=" not in await browser.get()
