"""The demo's real work on its own local site: good pages are summed up, bad ones fail in plain words."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from settled import PublicError
from settled.demo import work
from settled.demo.pages import PAGES
from settled.demo.site import MISBEHAVIOURS, Site

WORDS = {
    "/broken": "The server answered 500 Internal Server Error.",
    "/missing": "The server answered 404 Not Found.",
    "/cut-short": "The page broke off before its end",
    "/circle": "in a circle",
    "/huge": "longer than 2 MB",
    "/picture": "no web page: the server sends image/png",
    "/reset": "The server cut the connection.",
}


def fetch(path: str) -> work.Summary:
    async def run() -> work.Summary:
        async with Site() as site, work.open_client() as client:
            return await work.sum_up(client, site.url + path, lambda fraction, message: None)

    return asyncio.run(run())


def test_a_page_is_summed_up() -> None:
    summary = fetch("/comet")
    assert (summary["status"], summary["title"]) == (200, "Halley's Comet keeps its appointments")
    assert summary["links"] == len(PAGES)
    assert summary["bytes"] > 500


@pytest.mark.parametrize("path", [bad.path for bad in MISBEHAVIOURS if bad.path in WORDS])
def test_a_page_that_misbehaves_fails_in_plain_words(path: str) -> None:
    with pytest.raises(PublicError) as caught:
        fetch(path)
    assert WORDS[path] in str(caught.value)


@pytest.mark.parametrize("url", ["nonsense", "ftp://example.org/", "http://[::", ""])
def test_what_is_no_web_address_is_called_so(url: str) -> None:
    async def run() -> None:
        async with work.open_client() as client:
            await work.sum_up(client, url, lambda fraction, message: None)

    with pytest.raises(PublicError, match="no web address"):
        asyncio.run(run())


def test_progress_grows_to_the_end_of_the_page() -> None:
    told: list[float] = []

    async def run() -> None:
        async with Site() as site, work.open_client() as client:
            await work.sum_up(client, f"{site.url}/slow", lambda fraction, message: told.append(fraction))

    asyncio.run(run())
    assert len(told) > 5
    assert told == sorted(told)


def test_the_dashboard_of_the_demo_is_open_to_this_machine_alone(demo: str) -> None:
    page = httpx.get(f"{demo}/tasks/ui/", timeout=30)
    assert (page.status_code, "All that match" in page.text or "no task yet" in page.text) == (200, True)
    assert httpx.get(f"{demo}/tasks/ui/", headers={"host": "demo.example.org"}, timeout=30).status_code == 403
