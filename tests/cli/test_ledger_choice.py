"""Which ledger a command speaks to, that none makes one, and what is said when there is none."""

from __future__ import annotations

import sqlite3

import pytest

LOOKING = [["ls"], ["show", "x"], ["cancel", "x"], ["retry", "x"], ["sweep"], ["prune"], ["doctor"]]


@pytest.mark.parametrize("command", LOOKING)
def test_without_a_ledger_every_command_says_what_to_do(folder, settled, command):
    said = settled(*command)
    assert said.status == 2
    assert "--ledger" in said.err
    assert len(said.err.splitlines()) == 1
    assert not list(folder.iterdir())


@pytest.mark.parametrize("command", LOOKING)
def test_no_command_makes_the_ledger_that_is_named(folder, settled, command):
    said = settled("--ledger", "sqlite:///none.db", *command)
    assert said.status == 2
    assert "There is no ledger at sqlite:///none.db" in said.err
    assert not list(folder.iterdir())


def test_a_database_of_somebody_else_is_left_as_it_was(folder, settled):
    connection = sqlite3.connect(folder / "other.db")
    connection.execute("CREATE TABLE mine (x)")
    connection.close()
    before = (folder / "other.db").read_bytes()
    assert settled("ls", "--ledger", "sqlite:///other.db").status == 2
    assert (folder / "other.db").read_bytes() == before


def test_the_option_comes_before_the_variable_and_that_before_the_usual_file(home, settled, monkeypatch):
    home.pending()
    assert len(settled("ls", "--json").lines) == 1
    monkeypatch.setenv("SETTLED_LEDGER", "sqlite:///variable.db")
    assert "variable.db" in settled("ls").err
    assert len(settled("ls", "--json", "--ledger", "sqlite:///tasks.db").lines) == 1
    assert len(settled("--ledger", "sqlite:///tasks.db", "ls", "--json").lines) == 1


@pytest.mark.parametrize(
    "url", ["tasks.db", "postgresql://x?schema=a-b", "sqlite:///:memory:", "sqlite:///no/such/folder/x.db", ""]
)
def test_a_url_that_is_wrong_is_a_clear_error(folder, settled, url):
    said = settled("ls", "--ledger", url)
    assert said.status == 2
    assert said.err.startswith("settled: ")


def test_a_ledger_of_a_newer_version_is_left_alone(home, settled):
    home.sql("UPDATE task_ledger SET version = 99")
    said = settled("ls")
    assert said.status == 2
    assert "has tables of version 99" in said.err


def test_a_ledger_that_is_locked_for_writing_is_shown_as_it_stands(home, settled):
    (overdue,) = home.overdue()
    lock = sqlite3.connect(home.path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    try:
        said = settled("ls", "--json")
    finally:
        lock.close()
    assert said.json["id"] == overdue
    assert "could not be settled now" in said.err
