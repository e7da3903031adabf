"""The piece of HTML for htmx: it asks for itself while the task is open, and no more once that has ended."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from settled.errors import LedgerUnavailable
from settled.ids import new_id
from settled.web import NotSignedIn
from tests.web.world import PREFIX, World, until

pytestmark = pytest.mark.anyio


async def test_an_open_task_asks_again_at_its_own_address(world: World, client: httpx.AsyncClient) -> None:
    task_id = await world.submit("hold")
    world.step.set()
    await until(lambda: world.tasks.get(task_id).progress)
    answer = await client.get(f"{PREFIX}/{task_id}/fragment")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["cache-control"] == "no-store"
    assert f'hx-get="{PREFIX}/{task_id}/fragment" hx-trigger="every 1s" hx-swap="outerHTML"' in answer.text
    assert 'value="0.5"' in answer.text
    assert "half «way»" in answer.text


@pytest.mark.parametrize(
    ("name", "args", "state", "says"),
    [("add", (1, 2), "completed", "<pre>3</pre>"), ("fail", ("x",), "failed", "no such thing")],
)
async def test_a_settled_task_asks_no_more(
    world: World, client: httpx.AsyncClient, name: str, args: tuple[Any, ...], state: str, says: str
) -> None:
    row = await world.settle(name, *args)
    text = (await client.get(f"{PREFIX}/{row.id}/fragment")).text
    assert f'data-state="{state}"' in text
    assert says in text
    assert "hx-" not in text


async def test_an_unknown_a_pruned_and_a_malformed_id_ask_no_more(world: World, client: httpx.AsyncClient) -> None:
    now = world.tasks.ledger.store.now()
    for task_id in (new_id(now), new_id(now - 8 * 86_400_000), "a-b-c-d-e"):
        answer = await client.get(f"{PREFIX}/{task_id}/fragment")
        assert (answer.status_code, 'data-state="unknown"' in answer.text) == (200, True)
        assert "hx-" not in answer.text


async def test_who_is_signed_out_is_told_so_and_asks_no_more(world: World) -> None:
    def nobody(request: Any) -> str | None:
        raise NotSignedIn

    async with world.client(owner=nobody) as client:
        answer = await client.get(f"{PREFIX}/{await world.submit('hold')}/fragment")
    assert (answer.status_code, 'data-state="denied"' in answer.text, "hx-" in answer.text) == (200, True, False)


async def test_a_database_that_is_away_changes_nothing_on_the_page(
    world: World, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = await world.submit("hold")

    async def away(task_id: str) -> None:
        raise LedgerUnavailable("The disk is gone.", retry_after=3.2)

    monkeypatch.setattr(world.tasks.ledger, "aget", away)
    answer = await client.get(f"{PREFIX}/{task_id}/fragment")
    assert (answer.status_code, answer.content) == (204, b"")


async def test_what_comes_from_a_task_is_escaped(world: World, client: httpx.AsyncClient) -> None:
    row = await world.settle("echo", "<script>1</script>")
    text = (await client.get(f"{PREFIX}/{row.id}/fragment")).text
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
