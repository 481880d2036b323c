"""A store that is locked, full or away says so, records nothing, and works again afterwards."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.analytics.store import Store, StoreUnavailable, deliveries, migrate, open_store
from tests.postgres import Postgres

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def persist(store: Store, body: bytes = b"") -> deliveries.Persisted:
    return deliveries.persist(store, deliveries.prepare(store, "api", body, "d", NOW, [], "unreadable"))


@pytest.fixture
def sqlite(tmp_path: Path) -> Store:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    migrate(store)
    return store


def test_a_locked_database_is_unavailable_until_it_is_released(sqlite: Store, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="database is locked"):
        persist(sqlite)
    assert deliveries.counts(sqlite).quarantined == 0  # readers are not held up
    other.execute("ROLLBACK")
    other.close()
    persist(sqlite)
    assert deliveries.counts(sqlite).quarantined == 1
    sqlite.close()


def test_a_full_disk_is_unavailable_and_leaves_nothing_behind(sqlite: Store) -> None:
    with sqlite.read() as connection:  # the pool gives the same connection again
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 5}")
    with pytest.raises(StoreUnavailable, match="disk is full"):
        persist(sqlite, b"x" * 1_000_000)
    assert deliveries.counts(sqlite).quarantined == 0
    persist(sqlite)
    sqlite.close()


def test_a_server_that_is_away_is_unavailable(tmp_path: Path) -> None:
    store = open_store(f"postgresql://postgres@/sternway?host={tmp_path}")
    with pytest.raises(StoreUnavailable, match="cannot be used now"):
        persist(store)
    store.close()


def test_a_connection_that_was_cut_is_unavailable_and_the_next_one_works(postgres: Postgres) -> None:
    store = open_store(postgres.new_database())
    migrate(store)

    def cut() -> None:
        with postgres.connect() as server:
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'sternway%'")

    with pytest.raises(StoreUnavailable), store.write() as connection:
        cut()
        connection.exec_driver_sql("SELECT 1")
    cut()  # while it is idle in the pool
    persist(store)
    assert deliveries.counts(store).quarantined == 1
    store.close()


def test_a_lock_that_is_not_given_up_is_unavailable(postgres: Postgres) -> None:
    url = postgres.new_database()
    one, other = open_store(url), open_store(url)
    migrate(one)
    with one.write() as connection:
        connection.exec_driver_sql("LOCK TABLE deliveries")
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            persist(other)
    persist(other)
    one.close()
    other.close()


def test_a_server_that_became_a_standby_is_unavailable_for_writing(postgres: Postgres) -> None:
    store = open_store(postgres.new_database())
    migrate(store)
    with store.write() as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
    with postgres.connect() as server:
        server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    store.engine.dispose()
    with pytest.raises(StoreUnavailable, match="read-only transaction"):
        persist(store)
    assert deliveries.counts(store).quarantined == 0
    store.close()


def test_the_file_is_its_owners_alone(sqlite: Store, tmp_path: Path) -> None:
    persist(sqlite)
    files = sorted(tmp_path.glob("store.db*"))
    assert [(file.name, file.stat().st_mode & 0o077) for file in files] == [
        ("store.db", 0),
        ("store.db-shm", 0),
        ("store.db-wal", 0),
    ]
    sqlite.close()


def test_options_of_the_url_are_kept(postgres: Postgres) -> None:
    store = open_store(postgres.new_database() + "&options=-c%20application_name%3Dmine")
    with store.unchecked(writes=False) as connection:
        assert connection.exec_driver_sql("SHOW application_name").scalar_one() == "mine"
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar_one() == "2s"
    store.close()
