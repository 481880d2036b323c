"""The schema's migrations, and whether this code can use a store as it is.

During an upgrade the pools of the build before go on after the migration, and start again when they die. They know
nothing of the new revision, so the store itself says whether they may: a migration that leaves older code able to work
names the oldest (``oldest_code``), and what it names is written beside the revision.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select
from sqlalchemy.dialects import postgresql, sqlite

from activities.analytics.store.engine import ANOTHER, Store, serialise
from models.base import Frozen, SternwayError
from models.tables import SchemaUseRow

MIGRATION_SECONDS = 60
"""How long to wait for another process that is migrating."""

MIGRATIONS = Path(__file__).parent / "migrations"

CURE = "run: sternway store migrate"

USE = SchemaUseRow.metadata.tables["schema_use"]


class SchemaStatus(Frozen):
    """Revisions are the names of migrations."""

    store: str
    revision: str | None
    """The store's. None: it is empty."""
    wanted: str
    """This code's."""
    pending: tuple[str, ...]
    """Migrations to run, oldest first."""
    known: bool
    """False for a revision of which this code knows nothing: the store is newer."""
    usable: bool
    """It is what this code was written for, or newer and says that this code may use it."""

    @property
    def current(self) -> bool:
        return self.revision == self.wanted


def migrate(store: Store) -> SchemaStatus:
    """Bring the schema up to date, in one transaction; the second of two processes that try finds nothing to do.

    A newer store that this code may use is left as it is. Raises :class:`~models.base.SternwayError` where the store is
    newer and this code may not.
    """
    with store.unchecked(writes=True, patience=MIGRATION_SECONDS) as connection:
        serialise(connection, "sternway:migrate")
        config = _config()
        config.attributes["connection"] = connection
        before = _status(store, connection)
        _refuse_newer(before)
        if before.known:
            command.upgrade(config, "head")
            _say_who_may_use_it(connection)
    return status(store)


def status(store: Store) -> SchemaStatus:
    """Where the store's schema stands. Raises :class:`~activities.analytics.store.engine.StoreUnavailable`."""
    with store.unchecked(writes=False) as connection:
        return _status(store, connection)


def require_current(store: Store) -> None:
    """Raises :class:`~models.base.SternwayError` with the cure where there is none that this code can use."""
    if not store.there:
        raise SternwayError(f"the store {store.name} is not there; {ANOTHER}, or {CURE}")
    found = status(store)
    _refuse_newer(found)
    if found.revision is None:
        raise SternwayError(f"the store {found.store} is empty; {ANOTHER}, or {CURE}")
    if not found.usable:
        raise SternwayError(
            f"the store {found.store} is at schema {found.revision}, this Sternway needs {found.wanted}; {CURE}"
        )


def _refuse_newer(found: SchemaStatus) -> None:
    if not found.known and not found.usable:
        raise SternwayError(
            f"the store {found.store} is at schema {found.revision}, which is newer than this Sternway "
            f"({found.wanted}); upgrade Sternway, or point it at another store"
        )


def _status(store: Store, connection: Connection) -> SchemaStatus:
    revision = None
    if inspect(connection).has_table("alembic_version"):
        revision = MigrationContext.configure(connection).get_current_revision()
    newest_first = [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]
    known = revision is None or revision in newest_first
    usable = revision == newest_first[0] if known else _oldest_code(connection, revision) in newest_first
    newer = newest_first if revision is None else newest_first[: newest_first.index(revision)] if known else []
    return SchemaStatus(
        store=store.name,
        revision=revision,
        wanted=newest_first[0],
        pending=tuple(reversed(newer)),
        known=known,
        usable=usable,
    )


def _oldest_code(connection: Connection, revision: str | None) -> str | None:
    """The oldest code that may use the store at *revision*; none where nobody has said."""
    if not inspect(connection).has_table(USE.name):
        return None
    return connection.execute(select(USE.c.oldest_code).where(USE.c.revision == revision)).scalar()


def _say_who_may_use_it(connection: Connection) -> None:
    """Where a migration names no older code, only its own may."""
    USE.create(connection, checkfirst=True)  # no migration: it is what is known about migrations
    newest = next(ScriptDirectory.from_config(_config()).walk_revisions())
    said = {"revision": newest.revision, "oldest_code": getattr(newest.module, "oldest_code", newest.revision)}
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(insert(USE).values(said).on_conflict_do_nothing())


def _config() -> Config:
    config = Config()
    # Alembic reads its options with %-interpolation.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
