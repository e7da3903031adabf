"""What is not shown, and that no search tells it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from settled import Tasks
from settled.dashboard import Dashboard
from settled.dashboard.redact import is_secret
from tests.dashboard.world import Place, browsing, links, text_of

pytestmark = pytest.mark.anyio

GIVEN = {
    "args": ["u", "https://ada:hunter2@example.org/"],
    "kwargs": {"db_password": "hunter2", "options": [{"apiKey": "hunter2", "size": 3}], "note": "kept", "token": None},
}


@pytest.mark.parametrize(
    "name", ["password", "DB_PASSWORD", "apiKey", "X-Auth-Token", "clientSecret", "private_key", "pin"]
)
def test_names_like_these_are_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name", ["author", "max_tokens", "tokenizer", "compass", "key", "keyboard", "opinion", "passage"]
)
def test_names_like_these_are_not(name: str) -> None:
    assert not is_secret(name)


async def test_secrets_are_not_on_any_page_and_no_search_finds_them(place: Place) -> None:
    row = place.settled(arguments=json.dumps(GIVEN), result=json.dumps({"secret": "hunter2", "ok": True}))
    long = place.settled(arguments=json.dumps({"args": ["x" * 5_000], "kwargs": {"password": "hunter2"}}))
    async with place.browser() as browser:
        for page in (await browser.get(), await browser.get(f"/{row.id}"), await browser.get(f"/{long.id}")):
            assert "hunter2" not in page
        assert '"note": "kept"' in text_of(await browser.get(f"/{row.id}"))
        assert links(await browser.get(q="hunter2")) == []
        assert links(await browser.get(q="hunt")) == []
        assert links(await browser.get(q="kept")) == [row.id]
        assert links(await browser.get(q="xxxx")) == [long.id]


async def test_the_application_hides_more(sqlite: Place) -> None:
    def redact(name: str, kind: str, value: Any) -> Any:
        if name == "broken":
            raise RuntimeError
        return "not for you" if kind == "result" else {**value, "args": ["first alone"]}

    row = sqlite.settled(arguments='{"args":["a","b-private"],"kwargs":{}}', result='"r-private"')
    broken = sqlite.settled("broken", arguments='{"args":["c-private"],"kwargs":{}}')
    async with sqlite.browser(redact=redact) as browser:
        page = await browser.get(f"/{row.id}")
        assert "private" not in page
        assert "not for you" in page
        assert "first alone" in page
        assert "private" not in await browser.get(f"/{broken.id}") + await browser.get()
        assert links(await browser.get(q="b-private")) == []


async def test_an_argument_without_a_name_has_that_of_its_parameter(tmp_path: Any) -> None:
    tasks = Tasks(f"sqlite:///{tmp_path / 'tasks.db'}", embedded=False)

    @tasks.task
    def log_in(user: str, password: str) -> None: ...

    task = log_in.submit("ada", "hunter2")
    try:
        async with browsing(Dashboard(tasks)) as browser:
            page = await browser.get(f"/{task.id}")
        assert "hunter2" not in page
        assert "ada" in page
    finally:
        tasks.stop()
