"""Policies: the bound is plain arithmetic, it holds for any course of events, and absurd limits are refused."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settled.errors import BadInput, BadPolicy
from settled.policy import MAX_ATTEMPTS, MAX_BACKOFF, MAX_SECONDS, Policy, ms, pause_ms, reserve_ms

SECONDS = st.floats(0.001, MAX_SECONDS)
POLICIES = st.builds(
    Policy,
    timeout=SECONDS,
    start_timeout=SECONDS,
    attempts=st.integers(1, MAX_ATTEMPTS),
    backoff=st.floats(0, MAX_SECONDS),
    lease=SECONDS,
)


def test_the_defaults_are_those_of_the_contract() -> None:
    policy = Policy()
    assert (policy.timeout, policy.start_timeout, policy.attempts) == (600, 600, 1)


def test_the_bound_is_the_sum_that_the_contract_names() -> None:
    policy = Policy(timeout=10, start_timeout=20, attempts=4, backoff=3, lease=5)
    assert policy.settles_within == 20 + 4 * (10 + 5) + 3 + 6 + 12


def test_a_pause_doubles_up_to_an_hour() -> None:
    assert [pause_ms(n, 1_000) for n in (1, 2, 3, 12, 13, 99)] == [1_000, 2_000, 4_000, 2_048_000, 3_600_000, 3_600_000]
    assert pause_ms(100, 1) == MAX_BACKOFF * 1_000


@given(POLICIES)
def test_the_bound_is_finite_and_positive(policy: Policy) -> None:
    assert math.isfinite(policy.settles_within)
    assert policy.settles_within > 0
    assert policy.reserve_ms(policy.attempts) == 0


@given(POLICIES, st.data())
def test_attempts_at_their_latest_end_exactly_at_the_bound(policy: Policy, data: st.DataObject) -> None:
    """However early or late each attempt starts within what it is allowed, the next still fits."""
    settles_at = ms(policy.start_timeout) + policy.reserve_ms(0)
    clock = 0
    for attempt in range(policy.attempts):
        start_by = settles_at - policy.reserve_ms(attempt)
        assert clock <= start_by  # there is still room for this attempt
        begun = data.draw(st.integers(clock, start_by))
        over = begun + ms(policy.timeout) + ms(policy.lease)  # timed out, or its worker lost
        assert over <= settles_at
        if attempt + 1 < policy.attempts:
            clock = over + pause_ms(attempt + 1, ms(policy.backoff))
        if begun == start_by:
            assert over == settles_at - policy.reserve_ms(attempt + 1) - (
                pause_ms(attempt + 1, ms(policy.backoff)) if attempt + 1 < policy.attempts else 0
            )


@given(POLICIES)
def test_the_reserve_shrinks_with_each_attempt(policy: Policy) -> None:
    reserves = [policy.reserve_ms(attempt) for attempt in range(policy.attempts + 1)]
    assert reserves == sorted(reserves, reverse=True)
    assert reserves[0] == reserve_ms(0, policy.attempts, ms(policy.timeout), ms(policy.lease), ms(policy.backoff))


@pytest.mark.parametrize("name", ["timeout", "start_timeout", "backoff", "lease"])
@pytest.mark.parametrize(
    "value",
    [-1, -0.001, math.inf, -math.inf, math.nan, MAX_SECONDS + 1, 1e300, "10", None, True, [1], 10**400, 1j],
    ids=lambda value: repr(value)[:10],
)
def test_a_time_that_makes_no_sense_is_refused_by_its_name(name: str, value: object) -> None:
    with pytest.raises(BadPolicy, match=rf"^{name}=") as refusal:
        Policy(**{name: value})  # type: ignore[arg-type]
    assert isinstance(refusal.value, BadInput)
    assert isinstance(refusal.value, ValueError)
    assert "seconds" in str(refusal.value)


def test_a_timedelta_is_refused_with_what_to_give_instead() -> None:
    with pytest.raises(BadPolicy, match=r"total_seconds\(\)"):
        Policy(timeout=timedelta(seconds=60))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["timeout", "start_timeout", "lease"])
def test_no_time_at_all_is_refused(name: str) -> None:
    with pytest.raises(BadPolicy, match=rf"^{name}=0 is out of range"):
        Policy(**{name: 0})  # type: ignore[arg-type]


@pytest.mark.parametrize("attempts", [0, -1, 101, 1.5, 2.0, "2", None, True, math.inf, math.nan])
def test_a_number_of_attempts_that_makes_no_sense_is_refused(attempts: object) -> None:
    with pytest.raises(BadPolicy, match=r"^attempts=.* a task is tried 1 to 100 times"):
        Policy(attempts=attempts)  # type: ignore[arg-type]


def test_the_extremes_are_possible() -> None:
    Policy(timeout=0.001, start_timeout=0.001, attempts=1, backoff=0, lease=0.001)
    Policy(MAX_SECONDS, MAX_SECONDS, MAX_ATTEMPTS, MAX_SECONDS, MAX_SECONDS)


def test_a_policy_is_frozen() -> None:
    with pytest.raises(AttributeError):
        Policy().timeout = 5  # type: ignore[misc]
