"""settled latest: what a person sees of keys, and may do to them."""

from __future__ import annotations

from typing import Any

import pytest

from settled.ids import new_id
from settled.records import LatestPolicy
from settled.stores.base import Refresh
from tests.cli.conftest import Home
from tests.stores.making import failure, new_task, success

POLICY = LatestPolicy(60_000, 60_000, 60_000, None, 5)


def started(home: Home, key: str) -> Any:
    new = new_task(worker=home.ledger.worker, arguments=f'{{"args":["{key}"],"kwargs":{{}}}}')
    item = Refresh(key, new_id(home.ledger.store.now()), new, POLICY, force=True)
    return home.ledger.change("refresh", [[item]])[0][0]


@pytest.fixture
def keys(home: Home) -> Home:
    """One key that is fresh, one that failed, one that is refreshed just now."""
    for value in ('"old"', '{"visits":7}'):
        home.ledger.settle_now(success(started(home, "a.example"), value))
    home.ledger.settle_now(failure(started(home, "b.example"), message="429\nby the upstream"))
    started(home, "c.example")
    return home


def test_keys_are_listed_with_how_they_stand(keys: Home, settled: Any) -> None:
    lines = settled("latest", "ls").lines
    assert lines[0].split() == ["NAME", "KEY", "STATE", "GOT", "WHAT"]
    assert [line.split()[:3] for line in lines[1:]] == [
        ["work", "a.example", "fresh"],
        ["work", "b.example", "failed"],
        ["work", "c.example", "running"],
    ]
    assert '{"visits": 7}' in lines[1]
    assert "exception: 429 by the upstream" in lines[2]
    assert [line.split()[1] for line in settled("latest", "ls", "--failing").lines[1:]] == ["b.example"]
    assert [line.split()[1] for line in settled("latest", "ls", "work", "--after", "b.example").lines[1:]] == [
        "c.example"
    ]
    assert settled("latest", "ls", "other").err == "No key matches.\n"
    assert "--after" in settled("latest", "ls", "--limit", "1").err
    assert settled("latest", "ls", "--after", "a").status == 2


def test_a_key_is_shown_with_its_error_and_former_values(keys: Home, settled: Any) -> None:
    said = settled("latest", "show", "work", "a.example").out
    assert '"visits": 7' in said
    assert '"old"' in said
    assert "exception: 429 by the upstream" in settled("latest", "show", "work", "b.example").out
    told = settled("latest", "show", "work", "a.example", "--json").json
    assert (told["value"], told["settled"], told["history"][0]["value"]) == ({"visits": 7}, True, "old")
    assert settled("latest", "show", "work", "nobody").status == 3


def test_a_value_is_set_by_hand(keys: Home, settled: Any) -> None:
    task = settled("latest", "show", "work", "c.example", "--json").json["task"]
    assert settled("latest", "set", "work", "c.example", '{"by": "hand"}').out == "fresh\n"
    assert settled("latest", "show", "work", "c.example", "--json").json["value"] == {"by": "hand"}
    assert keys.ledger.get(task).reason == "cancelled"
    refused = settled("latest", "set", "work", "c.example", "text")
    assert (refused.status, "is no JSON" in refused.err) == (2, True)
    assert settled("latest", "set", "new function", "key", "[]", "--json").json["found"]


def test_a_key_is_purged(keys: Home, settled: Any) -> None:
    assert settled("latest", "purge", "work", "c.example").out == "Purged.\n"
    assert settled("latest", "purge", "work", "c.example").status == 3
    assert [line.split()[1] for line in settled("latest", "ls").lines[1:]] == ["a.example", "b.example"]


def test_a_key_is_refreshed_as_it_was_the_last_time(keys: Home, settled: Any) -> None:
    task = settled("latest", "refresh", "work", "b.example").out.strip()
    row = keys.ledger.get(task)
    assert (row.latest, row.arguments, row.status) == ("b.example", '{"args":["b.example"],"kwargs":{}}', "pending")
    assert settled("latest", "refresh", "work", "b.example").out.strip() == task
    refused = settled("latest", "refresh", "work", "nobody")
    assert (refused.status, "Have the application do it" in refused.err) == (1, True)
