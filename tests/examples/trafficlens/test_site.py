"""The stand-in misbehaves as a domain's name says, over real HTTP, and what is read of it is told in plain words."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from settled import PublicError, TryLater
from trafficlens.scrape import scrape
from trafficlens.site.behaviour import KINDS, Manners
from trafficlens.site.figures import figures_of, read_sites
from trafficlens.site.server import SiteServer


class Site:
    """The site in a thread of this process."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "log.jsonl"
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        assert self._started.wait(30)

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        async with SiteServer(Manners(slow=0.2, retry_after=7), log=self._log) as server:
            self.url = server.url
            self._started.set()
            await self._over.wait()

    def asked(self, domain: str) -> int:
        entries = [json.loads(line) for line in self._log.read_text("utf-8").splitlines()]
        return sum(entry["domain"] == domain for entry in entries)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(30)
        self._loop.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    served = Site(tmp_path_factory.mktemp("site"))
    yield served
    served.close()


def test_the_site_knows_thousands_of_domains_and_their_figures_stay_the_same() -> None:
    sites = read_sites()
    assert len(sites) > 3_000
    first = [figures_of(one) for one in sites.values()]
    assert first == [figures_of(one) for one in sites.values()]
    assert all(one.visits > 0 and len(one.history) == 12 and 0 <= one.bounce <= 1 for one in first)
    assert all(abs(sum(one.sources.values()) - 1) < 0.001 for one in first)
    assert all("not measured" in one.basis for one in first)


@pytest.mark.parametrize("domain", ["github.com", "good.test", "slow.test", "any.slow.test"])
def test_what_is_read_is_what_the_site_says(site: Site, domain: str) -> None:
    read = scrape(site.url, domain)
    told = Manners().figures(domain)
    assert (read["visits"], read["history"]) == (told.visits, [list(month) for month in told.history.items()])
    assert (read["sources"], read["basis"], read["category"]) == (told.sources, told.basis, told.category)


@pytest.mark.parametrize("domain", ["empty.test", "nobody-has-heard-of.example"])
def test_no_data_is_an_answer_and_no_failure(site: Site, domain: str) -> None:
    assert scrape(site.url, domain) == {"domain": domain, "visits": None}


@pytest.mark.parametrize(
    ("domain", "words"),
    [("broken.test", "answered 500"), ("redesigned.test", "changed its layout"), ("half.test", "broke off")],
)
def test_what_goes_wrong_is_said_in_plain_words(site: Site, domain: str, words: str) -> None:
    with pytest.raises(PublicError, match=words):
        scrape(site.url, domain)


def test_a_busy_site_says_when_to_come_back(site: Site) -> None:
    with pytest.raises(TryLater, match="busy") as told:
        scrape(site.url, "busy.test")
    assert told.value.seconds == 7


def test_a_flaky_page_is_well_the_second_time(site: Site) -> None:
    with pytest.raises(PublicError):
        scrape(site.url, "one.flaky.test")
    assert scrape(site.url, "one.flaky.test")["visits"] > 0
    assert site.asked("one.flaky.test") == 2, "each request has a line in the log"


def test_a_site_that_is_not_there_is_said_in_plain_words() -> None:
    with pytest.raises(PublicError, match="cannot be reached"):
        scrape("http://127.0.0.1:9", "github.com")


def test_a_page_that_hangs_takes_the_request_and_answers_nothing(site: Site) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{site.url}/website/hangs.test", timeout=0.5)
    assert site.asked("hangs.test") == 1


def test_a_hungry_page_is_small_on_the_way_and_gigabytes_when_unpacked(site: Site) -> None:
    with httpx.stream("GET", f"{site.url}/website/hungry.test", timeout=30) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert sum(len(chunk) for chunk in answer.iter_raw()) < 4_000_000
        assert answer.num_bytes_downloaded < 4_000_000


def test_a_share_of_the_real_domains_misbehaves_in_every_way_and_always_the_same() -> None:
    manners, same = Manners(share=0.3), Manners(share=0.3)
    kinds = {domain: manners.kind_of(domain) for domain in manners.sites}
    assert kinds == {domain: same.kind_of(domain) for domain in manners.sites}
    bad = [kind for kind in kinds.values() if kind != "good"]
    assert 0.25 < len(bad) / len(kinds) < 0.35
    assert set(kinds.values()) == set(KINDS)
