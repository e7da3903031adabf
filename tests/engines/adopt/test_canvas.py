"""Chains, groups and chords: every member has its row as soon as its id is known, and ends though another fails."""

from __future__ import annotations

import pytest
from celery import chain, chord, group

from settled import Reason, Status
from tests.engines.adopt.world import AdoptedWorld

pytestmark = [pytest.mark.xdist_group("adopt-outcomes")]


def test_a_chain_can_be_waited_for_by_its_last_id_from_the_start(shop: AdoptedWorld) -> None:
    add = shop.app.tasks["add"]
    last = chain(add.s(1, 2), add.s(3), add.s(4)).apply_async()
    ids = [last.parent.parent.id, last.parent.id, last.id]
    assert [id_[14] for id_ in ids] == ["7"] * 3  # UUIDs that are in the order of time
    assert shop.end_of(last.id).result == 10
    assert [shop.end_of(id_).result for id_ in ids] == [3, 6, 10]  # the next begins before the one before has ended


def test_what_follows_a_failure_in_a_chain_is_cancelled(shop: AdoptedWorld) -> None:
    add = shop.app.tasks["add"]
    last = chain(shop.app.tasks["fails"].s(), add.si(1, 2), add.s(4)).apply_async()
    for id_ in (last.id, last.parent.id):
        row = shop.end_of(id_)
        assert row.reason is Reason.CANCELLED
        assert "which comes before it, failed: as it is told to" in str(row.error_message)


def test_each_of_a_group_has_its_row(shop: AdoptedWorld) -> None:
    add = shop.app.tasks["add"]
    members = group(add.s(n, n) for n in range(3)).apply_async().children
    assert [shop.end_of(member.id).result for member in members] == [0, 2, 4]


def test_the_body_of_a_chord_has_its_row_from_the_start(shop: AdoptedWorld) -> None:
    add = shop.app.tasks["add"]
    body = chord([add.s(n, n) for n in range(3)])(shop.app.tasks["adds"].s())
    assert shop.tasks.get(body.id).status in (Status.PENDING, Status.RUNNING, Status.COMPLETED)
    assert shop.end_of(body.id).result == 6


def test_the_body_of_a_chord_is_cancelled_with_a_failed_header(shop: AdoptedWorld) -> None:
    body = chord([shop.app.tasks["add"].s(1, 1), shop.app.tasks["fails"].s()])(shop.app.tasks["adds"].s())
    assert shop.end_of(body.id).reason is Reason.CANCELLED
