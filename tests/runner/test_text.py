"""What is stored of a text that anybody may have written: storable, without credentials, short, and made so at once."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settled.runner.text import shown, storable

SECRET = "Hunter2xyz"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (f"cannot reach postgres://app:{SECRET}@db.example/app", "cannot reach postgres://***@db.example/app"),
        (f"redis://:{SECRET}@cache:6379/0", "redis://***@cache:6379/0"),
        (f"cloning https://{SECRET}@git.example/a.git", "cloning https://***@git.example/a.git"),
        (f"amqp://app:a@{SECRET}@mq/", "amqp://***@mq/"),
        (f"401 for Authorization: Bearer {SECRET}", "401 for Authorization: Bearer ***"),
        ("sent authorization: basic dXNlcjpwYXNz", "sent authorization: basic ***"),
        (f"password={SECRET}", "password=***"),
        (f"{{'password': '{SECRET}', 'user': 'ann'}}", "{'password': '***', 'user': 'ann'}"),
        (f'{{"client_secret": "{SECRET}"}}', '{"client_secret": "***"}'),
        (f"https://api.example/v1?api_key={SECRET}&page=2", "https://api.example/v1?api_key=***&page=2"),
        (f"AWS_SECRET_ACCESS_KEY={SECRET}", "AWS_SECRET_ACCESS_KEY=***"),
        (f"X-Api-Key: {SECRET}", "X-Api-Key: ***"),
        (f"GITHUB_TOKEN = {SECRET}", "GITHUB_TOKEN = ***"),
        (f"PWD: {SECRET}; HOST: db", "PWD: ***; HOST: db"),
    ],
)
def test_credentials_are_stripped_and_the_rest_is_kept(said: str, kept: str) -> None:
    assert shown(said, 2_000) == kept


@pytest.mark.parametrize(
    "said",
    [
        "no such host: http://example.com/a?mail=ann@example.com",
        "ann@example.com has no inbox",
        "the bearer of bad news arrived",
        "basic authentication failed",
        "the password is too short",
        "512 tokens: more than the 256 allowed",
        "'NoneType' object is not subscriptable",
    ],
)
def test_a_message_without_credentials_is_kept_word_for_word(said: str) -> None:
    assert shown(said, 2_000) == said


@pytest.mark.parametrize(
    "unit",
    [
        "a-",
        "a.b+",
        "bearer ",
        "basic  ",
        "password ",
        "token-",
        "://",
        "://a:",
        "password  ",
        "api_key",
        "x",
        "%s=",
        "'\"",
        "\x00",
        "\ud800",
    ],
)
def test_no_text_makes_it_slow(unit: str) -> None:
    begun = time.process_time()
    shown(unit * 5_000_000, 20_000)
    assert time.process_time() - begun < 1.0  # takes some milliseconds; one that is quadratic takes minutes


def test_a_credential_beyond_the_cut_does_not_come_back() -> None:
    assert SECRET not in shown("x" * 1_990 + f" password={SECRET}" + "y" * 5_000, 2_000)


def test_a_long_text_says_how_long_it_was() -> None:
    cut = shown("x" * 10_000_000, 2_000)
    assert cut.startswith("x" * 2_000)
    assert cut.endswith("(10,000,000 characters in all)")
    assert len(cut) < 2_100


@given(st.text(st.characters(exclude_categories=())), st.integers(1, 100))
@settings(deadline=None)
def test_whatever_is_shown_is_utf8_without_nul_and_of_bounded_length(text: str, limit: int) -> None:
    said = shown(text, limit)
    assert "\x00" not in said.encode().decode()
    assert len(said) <= limit + 60


@given(st.text(st.characters(exclude_categories=())))
@settings(deadline=None)
def test_storable_changes_nothing_else(text: str) -> None:
    said = storable(text)
    said.encode()
    assert len(said) == len(text)
    assert all(
        new == old or (new == "\ufffd" and (old == "\0" or "\ud800" <= old <= "\udfff"))
        for new, old in zip(said, text, strict=True)
    )
