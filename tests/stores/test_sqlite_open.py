"""Opening: migrations happen once, whoever comes first; what is not ours is left alone and named."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from settled.clock import ManualClock
from settled.errors import BadLedgerUrl, LedgerTooNew, LedgerUnavailable
from settled.stores import sqlite_open
from settled.stores.sqlite import SQLiteStore
from settled.stores.urls import store_of
from tests.stores.making import new_task
from tests.stores.worlds import SQLiteWorld, write


def schema(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {f"{kind} {name}" for kind, name in connection.execute("SELECT type, name FROM sqlite_master")}


def test_a_fresh_file_gets_every_table_index_and_trigger(sqlite: SQLiteWorld) -> None:
    sqlite.open()
    assert {
        "table task_results",
        "table task_workers",
        "table task_ledger",
        "index task_results_open",
        "index task_results_free_due",
        "index task_results_key",
        "trigger task_results_settled",
        "trigger task_results_bound",
        "trigger task_results_born",
        "trigger task_results_kept",
    } <= schema(sqlite.path)


def test_processes_that_were_forked_before_it_was_opened_show_themselves_each(sqlite: SQLiteWorld) -> None:
    store = SQLiteStore(sqlite.path)
    mine, childs = socket.socketpair()
    child = os.fork()
    if child == 0:
        childs.settimeout(20)
        store.open()
        childs.send(b"opened")
        childs.recv(1)
        os._exit(0)
    mine.settimeout(20)
    assert mine.recv(6) == b"opened"
    store.open()
    assert len(list(store.journal().glob("open-*.lock"))) == 2
    mine.send(b"x")
    os.waitpid(child, 0)
    store.close()
    mine.close()
    childs.close()


def test_full_durability_is_on_for_every_connection(sqlite: SQLiteWorld) -> None:
    store = sqlite.open()
    with closing(sqlite3.connect(sqlite.path)) as plain:
        assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with store.transaction():
        assert store._writer is not None
        assert store._writer.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_opening_again_changes_nothing(sqlite: SQLiteWorld) -> None:
    row, _ = write(sqlite.open(), "insert", new_task())[0]
    before = schema(sqlite.path)
    assert sqlite.open().read([row.id]) == [row]
    assert schema(sqlite.path) == before


def test_many_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    stores = [SQLiteStore(tmp_path / "ledger.db", ManualClock()) for _ in range(8)]
    start = threading.Barrier(len(stores))
    troubles: list[Exception] = []

    def open_one(store: SQLiteStore) -> None:
        start.wait(timeout=10)
        try:
            store.open()
        except Exception as trouble:
            troubles.append(trouble)

    threads = [threading.Thread(target=open_one, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert troubles == []
    for store in stores:
        write(store, "insert", new_task())
        store.close()


def test_many_processes_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    code = """
import sys
from settled.stores.urls import store_of
store = store_of(sys.argv[1])
sys.stdin.read(1)
store.open()
store.close()
"""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    processes = [
        subprocess.Popen([sys.executable, "-c", code, url], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"!")
        process.stdin.flush()
    said = [process.communicate(timeout=30)[1] for process in processes]
    assert said == [b""] * 4
    assert [process.returncode for process in processes] == [0] * 4


@pytest.mark.parametrize("lock", ["PRAGMA journal_mode = WAL; BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_who_opens_a_file_waits_for_another_that_is_making_it(
    sqlite: SQLiteWorld, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    monkeypatch.setattr("settled.stores.sqlite_open.BUSY_SECONDS", 0.0)
    opened: list[SQLiteStore] = []
    with closing(sqlite3.connect(sqlite.path, isolation_level=None)) as other:
        other.executescript(lock)
        thread = threading.Thread(target=lambda: opened.append(sqlite.open()))
        thread.start()
        thread.join(timeout=0.2)
        assert thread.is_alive()
        other.execute("ROLLBACK")
        thread.join(timeout=30)
    assert opened


def test_of_two_that_begin_its_log_at_once_neither_fails(sqlite: SQLiteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(sqlite.path, isolation_level=None)) as other:
        other.execute("CREATE TABLE theirs (id)")
        other.execute("BEGIN IMMEDIATE")  # SQLite tells the second at once that it is busy, whatever its timeout
        connect = sqlite_open.connect

        def traced(path: Path, *, create: bool) -> sqlite3.Connection:
            connection = connect(path, create=create)
            connection.set_trace_callback(lambda said: other.commit() if said == "BEGIN IMMEDIATE" else None)
            return connection

        monkeypatch.setattr(sqlite_open, "connect", traced)
        sqlite.open()


def test_it_is_locked_while_somebody_keeps_the_lock_for_writing(sqlite: SQLiteWorld) -> None:
    store, path = sqlite.open(), sqlite.path
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert sqlite_open.is_locked(path)
        other.execute("ROLLBACK")
        assert not sqlite_open.is_locked(path)
    write(store, "insert", new_task())


def test_no_file_is_made_beside_the_log_of_one_that_others_still_have_open(sqlite: SQLiteWorld) -> None:
    store, path = sqlite.open(), sqlite.path
    path.unlink()
    assert path.with_name(path.name + "-wal").exists()
    newcomer = SQLiteStore(path)
    with pytest.raises(LedgerUnavailable, match="was deleted while processes had it open"):
        newcomer.open()
    assert not path.exists()
    store.close()
    newcomer.open()
    write(newcomer, "insert", new_task())
    newcomer.close()


def test_a_ledger_of_a_newer_version_is_left_as_it_is(sqlite: SQLiteWorld) -> None:
    sqlite.open()
    sqlite.sql("UPDATE task_ledger SET version = 999")
    before = sqlite.path.read_bytes()
    with pytest.raises(LedgerTooNew, match=r"version 999.*newer.*Nothing was changed\..*Install"):
        sqlite.open()
    assert sqlite.path.read_bytes() == before


def test_somebody_elses_table_of_that_name_is_left_as_it_is(sqlite: SQLiteWorld) -> None:
    sqlite.sql("CREATE TABLE task_results (id TEXT PRIMARY KEY, status TEXT)")
    with pytest.raises(BadLedgerUrl, match=r"task_results.*settled did not make.*Nothing was changed"):
        sqlite.open()
    assert schema(sqlite.path) == {"table task_results", "index sqlite_autoindex_task_results_1"}


def test_other_tables_in_the_file_are_no_trouble(sqlite: SQLiteWorld) -> None:
    sqlite.sql("CREATE TABLE users (id INTEGER)")
    write(sqlite.open(), "insert", new_task())
    assert "table users" in schema(sqlite.path)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"Dear diary, " * 500, BadLedgerUrl),
        (b"\x00" * 5000, BadLedgerUrl),
        (b"SQLite format 3\x00" + b"\xff" * 5000, (BadLedgerUrl, LedgerUnavailable)),
    ],
    ids=["text", "zeros", "damaged"],
)
def test_a_file_that_is_no_database_is_named_and_kept(sqlite: SQLiteWorld, content: bytes, error: Any) -> None:
    sqlite.path.write_bytes(content)
    with pytest.raises(error, match=r"ledger\.db.*(no SQLite database|damaged)"):
        sqlite.open()
    assert sqlite.path.read_bytes() == content


def test_an_empty_file_becomes_a_ledger(sqlite: SQLiteWorld) -> None:
    sqlite.path.touch()
    write(sqlite.open(), "insert", new_task())


@pytest.mark.parametrize(
    "name",
    [
        "a b.db", "ünïcødé ☃.db", "per%20cent.db", "a&b=c.db", "semi;colon.db",
        "'quote'.db", '"q".db', "file:x.db", "line\nbreak.db", "back\\slash.db",
    ],
)  # fmt: skip
def test_any_name_is_that_file_and_no_other(tmp_path: Path, name: str) -> None:
    store = store_of(f"sqlite:///{tmp_path}/{name}")
    store.open()
    row, _ = write(store, "insert", new_task())[0]
    store.close()
    assert {path.name.removesuffix(".workers") for path in tmp_path.iterdir()} == {name}
    again = store_of(f"sqlite:///{tmp_path}/{name}")
    again.open()
    assert len(again.read([row.id])) == 1
    again.close()


def test_three_slashes_are_relative_and_four_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    relative, absolute = store_of("sqlite:///tasks.db"), store_of(f"sqlite:///{tmp_path}/tasks.db")
    monkeypatch.chdir("/")
    relative.open()
    absolute.open()
    write(relative, "insert", new_task())
    assert absolute.counts() == {("pending", None): 1}
    relative.close()
    absolute.close()


@pytest.mark.parametrize(
    "url",
    [
        "", "tasks.db", "/tmp/tasks.db", "sqlite:", "sqlite://", "sqlite:///", "sqlite://tasks.db",
        "sqlite:///:memory:", "sqlite://:memory:",
        "postgres://localhost/x", "mysql:///tasks.db", "redis://localhost", "file:///tasks.db", None, 5, b"sqlite:///a.db",
    ],
)  # fmt: skip
def test_a_url_that_names_no_ledger_is_refused_with_an_example(url: object) -> None:
    with pytest.raises(BadLedgerUrl, match=r"sqlite:///tasks\.db"):
        store_of(url)  # type: ignore[arg-type]


def test_a_folder_that_does_not_exist_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(BadLedgerUrl, match=r"folder .*missing does not exist\. Make it"):
        store_of(f"sqlite:///{tmp_path}/missing/tasks.db")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(BadLedgerUrl, match="is a folder"):
        store_of(f"sqlite:///{tmp_path}")


def test_a_place_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    code = """
import os, sys
from settled.stores.urls import store_of
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)  # root may write anywhere
try:
    store_of(sys.argv[1])
except Exception as error:
    print(type(error).__name__, error)
"""
    with tempfile.TemporaryDirectory() as folder:  # tmp_path may be closed to others as a whole
        os.chmod(folder, 0o555)
        url = f"sqlite:///{folder}/tasks.db"
        said = subprocess.run(
            [sys.executable, "-c", code, url], capture_output=True, text=True, timeout=30, check=True
        ).stdout
        assert os.listdir(folder) == []
        os.chmod(folder, 0o755)
    assert said.startswith("BadLedgerUrl")
    assert "not writable by this user" in said
    assert "check both" in said


def test_open_after_a_failed_open_works(sqlite: SQLiteWorld) -> None:
    sqlite.path.write_bytes(b"no database" * 500)
    store = SQLiteStore(sqlite.path, sqlite.clock)
    with pytest.raises(BadLedgerUrl):
        store.open()
    sqlite.path.unlink()
    store.open()
    write(store, "insert", new_task())
    store.close()


def test_a_ledger_that_is_locked_can_still_be_opened_and_read(sqlite: SQLiteWorld) -> None:
    row, _ = write(sqlite.open(), "insert", new_task())[0]
    with closing(sqlite3.connect(sqlite.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert sqlite.open().read([row.id]) == [row]
