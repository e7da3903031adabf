"""The session that holds locks and listens: a lost session is no death, and a hint arrives where somebody listens."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from settled.stores.postgres import PostgresStore
from tests.stores.making import new_task
from tests.stores.worlds import PostgresWorld, until, write


@pytest.fixture
def postgres() -> Iterator[PostgresWorld]:
    made = PostgresWorld()
    yield made
    made.close()


@pytest.fixture
def here(postgres: PostgresWorld) -> PostgresStore:
    return postgres.open()


@pytest.fixture
def there(postgres: PostgresWorld) -> PostgresStore:
    return postgres.open()


def holders(postgres: PostgresWorld, store: PostgresStore, worker: str) -> set[int]:
    """The server's processes that hold a worker's lock."""
    key = store._direct._key(worker)
    return {
        row[0]
        for row in postgres.sql(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' "
            f"AND ((classid::bigint << 32) | objid::bigint) = {key}"
        )
    }


def looked(store: PostgresStore) -> None:
    """Return when the store has looked at the locks twice more."""
    store.gone("anybody")  # the first who asks has it look
    for _ in range(2):
        store._direct._looked.clear()
        assert store._direct._looked.wait(timeout=10)


def test_a_worker_whose_session_was_ended_takes_its_lock_anew_and_is_not_gone(
    postgres: PostgresWorld, here: PostgresStore, there: PostgresStore
) -> None:
    there.hold("w")
    assert not here.gone("w")
    (before,) = holders(postgres, there, "w")
    postgres.sql(f"SELECT pg_terminate_backend({before})")
    until(lambda: holders(postgres, there, "w") - {before})
    for _ in range(4):
        looked(here)
        assert not here.gone("w")


def test_a_lock_that_nobody_holds_is_a_death(
    postgres: PostgresWorld, here: PostgresStore, there: PostgresStore
) -> None:
    there.hold("w")
    there.close()
    until(lambda: here.gone("w"))


def test_a_lock_of_an_earlier_start_of_the_server_is_no_evidence(
    postgres: PostgresWorld, here: PostgresStore, there: PostgresStore
) -> None:
    there.hold("w")
    there.close()
    postgres.sql("UPDATE task_locks SET server = 'an earlier one'")
    for _ in range(5):
        looked(here)
        assert not here.gone("w")


def test_who_listens_hears_of_what_others_write_and_not_of_their_own(here: PostgresStore, there: PostgresStore) -> None:
    heard = threading.Event()
    here.listen(heard.set)
    there.listen(lambda: None)
    until(lambda: here._direct._others and there._direct._others)
    heard.clear()
    write(here, "insert", new_task())
    looked(here)
    assert not heard.is_set()
    write(there, "insert", new_task())
    assert heard.wait(timeout=10)


def test_one_process_has_at_most_three_connections(postgres: PostgresWorld, here: PostgresStore) -> None:
    here.hold("w")
    here.listen(lambda: None)

    def read() -> None:
        for _ in range(20):
            here.read(["x"])
            write(here, "insert", new_task())

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    name = here._lines[0]._connection.info.get_parameters()["application_name"]  # type: ignore[union-attr]
    assert name == "settled"
    pids = {line._connection.info.backend_pid for line in here._lines if line._connection is not None}
    assert len(pids) == 3  # the dashboard's, where somebody looks at it, is the fourth
