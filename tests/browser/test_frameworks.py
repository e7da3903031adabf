"""React, Vue, Svelte and both htmx, the real ones, in a real browser, against a real server."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from settled.ids import new_id
from tests.browser.app import SIGNED_IN
from tests.browser.served import ROOT, Server, until

JS = ROOT / "js"
NOW = 1_800_000_000_000
pytestmark = pytest.mark.skipif(
    not (JS / "node_modules/htmx4").exists(), reason="the packages of js are not installed: make test-js does it"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    served = Server(tmp_path_factory.mktemp("served"))
    yield served
    served.close()


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The apps of js/test, with their frameworks in them."""
    folder = tmp_path_factory.mktemp("bundles")
    names = [str(JS / "test" / name) for name in ("react-app.jsx", "vue-svelte-app.mjs")]
    options = ["--bundle", "--format=esm", f"--outdir={folder}", "--define:WATCHERS='test'", "--log-level=error"]
    defined = ["--define:process.env.NODE_ENV='development'", "--define:__VUE_OPTIONS_API__=true"]
    more = ["--define:__VUE_PROD_DEVTOOLS__=false", "--define:__VUE_PROD_HYDRATION_MISMATCH_DETAILS__=false"]
    binary = JS / "node_modules/.bin/esbuild"
    subprocess.run([binary, *names, *options, *defined, *more], check=True, timeout=60, cwd=JS)
    return folder


def open_page(page: Page, server: Server, script: Path, query: str = "", body: str = "", kind: str = "module") -> None:
    """A page of the server's own site, with one script in it."""
    html = f"<!doctype html><html lang=en><title>x</title><link rel=icon href=data:,><body>{body}"
    page.route("**/the-script.js", lambda route: route.fulfill(path=script, content_type="text/javascript"))
    page.route(
        re.compile("/a-page"),
        lambda route: route.fulfill(
            body=f"{html}<script type={kind} src=/the-script.js></script>", content_type="text/html"
        ),
    )
    page.goto(f"{server.url}/a-page?{query}")


def test_the_react_hook_shows_progress_and_result_and_follows_its_url(
    server: Server, page: Page, bundles: Path
) -> None:
    src = server.submit("walk", "react")
    open_page(page, server, bundles / "react-app.js", f"src={src}")
    expect(page.locator("#said")).to_have_text("running two of five")
    server.open_gate("react-other")
    server.open_gate("react")
    expect(page.locator("#said")).to_have_text("completed: [object Object]")
    page.evaluate("(url) => setUrl(url)", server.submit("in_the_only_thread", "react-other"))
    expect(page.locator("#said")).to_have_text("completed: the thread is free")


def test_a_react_component_that_unmounts_asks_no_more(server: Server, page: Page, bundles: Path) -> None:
    src = server.submit("walk", "react-away")
    open_page(page, server, bundles / "react-app.js", f"src={src}")
    expect(page.locator("#said")).to_have_text("running two of five")
    page.evaluate("setUrl('')")
    expect(page.locator("#said")).to_have_text("unmounted")
    until(lambda: all("ended" in look for look in server.requests(src)), 10, "the server sees the page let go")
    server.open_gate("react-away")


def test_vue_and_svelte_show_the_same_wait_with_one_request_at_a_time(
    server: Server, page: Page, bundles: Path
) -> None:
    src = server.submit("private", "vue")
    page.context.add_cookies([{"name": SIGNED_IN, "value": "me", "url": server.url}])
    open_page(page, server, bundles / "vue-svelte-app.js", f"src={src}")
    until(lambda: server.requests(src), 10, "the page asks")
    server.open_gate("vue")
    expect(page.locator("#vue")).to_have_text("for those who are signed in")
    expect(page.locator("#svelte")).to_have_text("for those who are signed in")


@pytest.fixture(params=["htmx2", "htmx4"])
def htmx(request: pytest.FixtureRequest) -> Path:
    return JS / "node_modules" / str(request.param) / "dist/htmx.min.js"


def poll_with(htmx: Path, server: Server, page: Page, src: str) -> None:
    body = f'<div hx-get="{src}/fragment" hx-trigger="load" hx-swap="outerHTML">Loading</div>'
    open_page(page, server, htmx, body=body, kind="text/javascript")


def rests(server: Server, page: Page, path: str) -> None:
    """See that nobody asks any more: another page's worth of polls goes by without one of this."""
    asked = len(server.requests(path))
    at = page.evaluate("performance.now()")
    until(lambda: page.evaluate("performance.now()") > at + 2_500, 20, "time enough for two polls")
    assert len(server.requests(path)) == asked


def test_htmx_polls_while_the_task_is_open_and_stops_by_itself(server: Server, page: Page, htmx: Path) -> None:
    gate = htmx.parts[-3]
    src = server.submit("walk", gate)
    poll_with(htmx, server, page, src)
    expect(page.locator(".settled-task")).to_contain_text("two of five")
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "0.4")
    until(lambda: len(server.requests(f"{src}/fragment")) >= 3, 20, "it asks again and again")
    server.open_gate(gate)
    expect(page.locator(".settled-task")).to_have_attribute("data-state", "completed")
    expect(page.locator(".settled-task")).to_contain_text("Wien")
    rests(server, page, f"{src}/fragment")


@pytest.mark.parametrize(("state", "says"), [("unknown", "no such task"), ("denied", "not signed in")])
def test_htmx_stops_for_an_unknown_task_and_for_who_is_signed_out(
    server: Server, page: Page, htmx: Path, state: str, says: str
) -> None:
    src = f"/tasks/{new_id(NOW)}" if state == "unknown" else server.submit("private", "closed")
    poll_with(htmx, server, page, src)
    expect(page.locator(".settled-task")).to_have_attribute("data-state", state)
    expect(page.locator(".settled-task")).to_contain_text(says)
    rests(server, page, f"{src}/fragment")
