"""Opening the store, and the two kinds of transaction: one that reads a snapshot, one that writes durably.

SQLite lets one process write at a time, so that a write takes its lock at its start (``BEGIN IMMEDIATE``); one that
began as a read could not be promoted. PostgreSQL runs writes side by side, and :func:`serialise` queues those that
must not meet.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, create_engine, event, make_url, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from activities import fault_points
from models.base import SternwayError

BUSY_SECONDS = 2
"""How long a write waits for another process's before it gives up."""

READ_ONLY = "25006"
"""PostgreSQL's code for a write to a server that has become a standby."""

NO_STORE = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
"""SQLite's codes for a file that is none of its own, or that is damaged."""

ANOTHER = "name the right one with STERNWAY_STORE_URL or --url"

_WRITES = "sternway_writes"
_PATIENCE = "sternway_patience"


class StoreUnavailable(SternwayError):
    """The store cannot be read or written now. Nothing was recorded, or nobody knows: the caller must try again."""


class Store:
    """An open store. Safe to use from several threads; :meth:`close` it at the end."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.name = name
        """Its URL without the password."""
        self.schema_checked = False

    @property
    def sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @property
    def there(self) -> bool:
        """Whether it can be there. SQLite makes the file that it does not find."""
        return not self.sqlite or Path(str(self.engine.url.database)).exists()

    @contextmanager
    def read(self) -> Generator[Connection]:
        """A transaction that sees one moment of the store. Raises :class:`StoreUnavailable`."""
        self._check_schema()
        with self.unchecked(writes=False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Generator[Connection]:
        """A transaction that is durable once the block has ended, or has left nothing. :class:`StoreUnavailable`."""
        with self.write_in_background() as connection:
            yield connection
            fault_points.reached("store commit begins")
        fault_points.reached("store commit ends")

    @contextmanager
    def write_in_background(self) -> Generator[Connection]:
        """:meth:`write`, for what comes at any time and is no part of an incident: no fault point of a chaos run."""
        self._check_schema()
        with self.unchecked(writes=True) as connection:
            yield connection

    @contextmanager
    def unchecked(self, *, writes: bool, patience: int = BUSY_SECONDS) -> Generator[Connection]:
        """A transaction on whatever schema is there: for those who look after the schema.

        *patience*: seconds to wait for another process's write.
        """
        try:
            with self.engine.connect() as connection:
                options: dict[str, Any] = {_WRITES: writes, _PATIENCE: patience}
                if not self.sqlite:
                    options["isolation_level"] = "READ COMMITTED" if writes else "REPEATABLE READ"
                with connection.execution_options(**options).begin():
                    yield connection
        except (DBAPIError, PoolTimeout) as error:
            if _is_no_store(error):
                raise SternwayError(
                    f"the store {self.name} cannot be read, for {_cause(error)}; {ANOTHER}, or restore the file"
                ) from error
            if not _passes(error):
                raise
            raise StoreUnavailable(f"the store {self.name} cannot be used now: {_cause(error)}") from error

    def close(self) -> None:
        self.engine.dispose()

    def _check_schema(self) -> None:
        if not self.schema_checked:
            from activities.analytics.store.schema import require_current

            require_current(self)
            self.schema_checked = True


def open_store(url: str) -> Store:
    """Open the store at *url* (``sqlite:///FILE`` or ``postgresql://…``), which is not contacted yet.

    Raises :class:`~models.base.SternwayError` for a URL that cannot be a store.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SternwayError("the store's URL cannot be read; write sqlite:///FILE or postgresql://…") from None
    name = parsed.render_as_string(hide_password=True)
    if parsed.get_backend_name() == "sqlite":
        return Store(_sqlite(parsed), name)
    if parsed.get_backend_name() == "postgresql":
        return Store(_postgresql(parsed), name)
    raise SternwayError(f"a store cannot live in {parsed.get_backend_name()}; write sqlite:///FILE or postgresql://…")


def open_store_if_there(url: str) -> Store | None:
    """:func:`open_store` for whoever may only read: none where SQLite would have to make the file first."""
    store = open_store(url)
    return store if store.there else None


def serialise(connection: Connection, name: str) -> None:
    """Let no other transaction past a call with this *name* until this one ends. SQLite's writes are so anyway."""
    if connection.dialect.name == "postgresql":
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise SternwayError("a store in memory would lose every alert at a restart; name a file: sqlite:///sternway.db")
    directory = Path(url.database).resolve().parent
    if not directory.is_dir():
        raise SternwayError(f"the store's directory {directory} does not exist; create it or change the store's URL")
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        connect_args={"timeout": BUSY_SECONDS, "isolation_level": None},
        pool_timeout=BUSY_SECONDS,
    )

    @event.listens_for(engine, "do_connect")
    def _private(*_: object) -> None:
        """Alerts can hold personal data: a new file is its owner's alone, and SQLite's side files follow it."""
        with suppress(OSError):  # SQLite says it better
            Path(str(url.database)).touch(mode=0o600)

    @event.listens_for(engine, "connect")
    def _durable(connection: Any, _record: object) -> None:
        _write_ahead(connection)
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {options.get(_PATIENCE, BUSY_SECONDS) * 1000}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(_WRITES) else "BEGIN")

    return engine


def _write_ahead(connection: Any) -> None:
    """Where several processes make the file at once, SQLite says at once that it is locked, whatever the timeout."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)  # in the thread that asked; there is nothing to be told by


def _postgresql(url: URL) -> Engine:
    own = f"-c lock_timeout={BUSY_SECONDS}s -c synchronous_commit=on"
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        pool_timeout=BUSY_SECONDS,
        connect_args={
            "connect_timeout": 3,
            "tcp_user_timeout": 5000,
            "options": f"{url.query.get('options', '')} {own}".strip(),
        },
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        patience = connection.get_execution_options().get(_PATIENCE, BUSY_SECONDS)
        if patience != BUSY_SECONDS:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{patience}s'")

    return engine


def _passes(error: DBAPIError | PoolTimeout) -> bool:
    """Whether it is the store's state and not the statement that is wrong."""
    if isinstance(error, OperationalError | InterfaceError | PoolTimeout) or error.connection_invalidated:
        return True
    return getattr(error.orig, "sqlstate", None) == READ_ONLY


def _is_no_store(error: DBAPIError | PoolTimeout) -> bool:
    return getattr(getattr(error, "orig", None), "sqlite_errorcode", None) in NO_STORE


def _cause(error: Exception) -> str:
    original = getattr(error, "orig", None) or error
    return " ".join(str(original).split())
