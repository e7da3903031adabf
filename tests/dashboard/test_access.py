"""Who gets in: nobody but a browser on this very machine, unless the application says so."""

from __future__ import annotations

from typing import Any

import pytest

from settled.dashboard import Access
from settled.dashboard.access import why_closed
from settled.web import NotSignedIn
from settled.web.request import Request
from tests.dashboard.world import ROOT, Place, browsing

pytestmark = pytest.mark.anyio


def request(client: str = "127.0.0.1", host: str = "localhost:8000", version: str = "1.1", **more: str) -> Request:
    headers = [(b"host", host.encode()), *((k.replace("_", "-").encode(), v.encode()) for k, v in more.items())]
    return Request({"client": (client, 1), "http_version": version, "headers": headers})


@pytest.mark.parametrize(
    "opened",
    [
        request(),
        request("::1", "[::1]:8000"),
        request("::ffff:127.0.0.1", "127.0.0.1"),
        request("127.8.8.8", "app.localhost"),
    ],
)
async def test_a_browser_on_this_machine_is_let_in(opened: Request) -> None:
    assert why_closed(opened) is None


@pytest.mark.parametrize(
    "closed",
    [
        request("10.0.0.7"), request("testclient"), request(""), request("::ffff:10.0.0.7"),
        request(host="tasks.example.org"), request(host="localhost.evil.example"), request(host="127.0.0.1.nip.io"),
        request(host=""), request(host="[::1"), request(host="0.0.0.0:8000"), request(host="localhost@evil.example"),
        request(x_forwarded_for="127.0.0.1"), request(forwarded="for=127.0.0.1"), request(x_real_ip="127.0.0.1"),
        request(x_forwarded_proto="https"), request(via="1.1 proxy"), request(version="1.0"),
        Request({"client": None, "http_version": "1.1", "headers": [(b"host", b"localhost")]}),
        Request({"client": ("127.0.0.1", 1), "http_version": "1.1", "headers": []}),
        Request({"client": ("127.0.0.1", 1), "http_version": "1.1",
                 "headers": [(b"host", b"localhost"), (b"host", b"evil.example")]}),
    ],
)  # fmt: skip
async def test_all_others_are_not(closed: Request) -> None:
    assert why_closed(closed) is not None


async def test_who_is_not_let_in_learns_nothing(sqlite: Place) -> None:
    row = sqlite.submit("secret_name")
    async with sqlite.browser() as browser:
        token = await browser.token()
        for path in ("/", f"/{row.id}", "/failures", "/static/dashboard.css", "/nothing", ""):
            answer = await browser.client.get(ROOT + path, headers={"host": "tasks.example.org"})
            assert (answer.status_code, "secret_name" in answer.text, "set-cookie" in answer.headers) == (
                403,
                False,
                False,
            )
        form = {"csrf": token, "hand": "cancel.these", "id": row.id}
        await browser.post("/do", form, 403, host="rebound.example:8000", origin="http://rebound.example:8000")
    assert not sqlite.ledger.get(row.id).settled


async def test_the_application_says_who_it_is(sqlite: Place) -> None:
    said: list[Any] = []

    async def access(request: Request) -> Any:
        said.append(request.headers.get("authorization"))
        return {"Basic YWRh": Access("write", "ada"), "Basic Ym9i": ("read", "bob")}.get(said[-1] or "")

    async with browsing(sqlite.dashboard(access=access), ("10.0.0.7", 1)) as browser:
        assert (await browser.client.get(f"{ROOT}/")).status_code == 403
        ada = (await browser.client.get(f"{ROOT}/", headers={"authorization": "Basic YWRh"})).text
        bob = (await browser.client.get(f"{ROOT}/", headers={"authorization": "Basic Ym9i"})).text
    assert "<bdi>ada</bdi>" in ada
    assert "read only" not in ada
    assert "<bdi>bob</bdi>" in bob
    assert "read only" in bob
    assert said == [None, "Basic YWRh", "Basic Ym9i"]


async def test_a_hook_that_fails_or_says_nonsense_keeps_it_closed(sqlite: Place) -> None:
    def signed_out(request: Request) -> None:
        raise NotSignedIn(challenge='Basic realm="tasks"')

    def broken(request: Request) -> None:
        raise RuntimeError("secret detail")

    for hook, status in ((signed_out, 401), (broken, 500), (lambda request: True, 500), (lambda request: "admin", 500)):
        async with browsing(sqlite.dashboard(access=hook)) as browser:
            answer = await browser.client.get(f"{ROOT}/")
        assert (answer.status_code, "secret detail" in answer.text) == (status, False)
        assert ("www-authenticate" in answer.headers) is (status == 401)
