"""The schema's migrations, and whether a store has the schema that this code was written for."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from activities.analytics.store.engine import Store, serialise
from models.base import Frozen, SternwayError

MIGRATION_SECONDS = 60
"""How long to wait for another process that is migrating."""

CURE = "run: sternway store migrate"


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

    @property
    def current(self) -> bool:
        return self.revision == self.wanted


def migrate(store: Store) -> SchemaStatus:
    """Bring the schema up to date, in one transaction; the second of two processes that try finds nothing to do.

    Raises :class:`~models.base.SternwayError` where the store is newer than this code.
    """
    with store.unchecked(writes=True, patience=MIGRATION_SECONDS) as connection:
        serialise(connection, "sternway:migrate")
        config = _config()
        config.attributes["connection"] = connection
        before = _status(store, MigrationContext.configure(connection).get_current_revision())
        _refuse_newer(before)
        command.upgrade(config, "head")
    return status(store)


def status(store: Store) -> SchemaStatus:
    """Where the store's schema stands. Raises :class:`~activities.analytics.store.engine.StoreUnavailable`."""
    with store.unchecked(writes=False) as connection:
        revision = None
        if inspect(connection).has_table("alembic_version"):
            revision = MigrationContext.configure(connection).get_current_revision()
    return _status(store, revision)


def require_current(store: Store) -> None:
    """Raises :class:`~models.base.SternwayError` with the cure where the schema is not this code's."""
    found = status(store)
    _refuse_newer(found)
    if found.revision is None:
        raise SternwayError(f"the store {found.store} is empty; {CURE}")
    if not found.current:
        raise SternwayError(
            f"the store {found.store} is at schema {found.revision}, this Sternway needs {found.wanted}; {CURE}"
        )


def _refuse_newer(found: SchemaStatus) -> None:
    if not found.known:
        raise SternwayError(
            f"the store {found.store} is at schema {found.revision}, which is newer than this Sternway "
            f"({found.wanted}); upgrade Sternway, or point it at another store"
        )


def _status(store: Store, revision: str | None) -> SchemaStatus:
    newest_first = [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]
    known = revision is None or revision in newest_first
    newer = newest_first if revision is None else newest_first[: newest_first.index(revision)] if known else []
    return SchemaStatus(
        store=store.name, revision=revision, wanted=newest_first[0], pending=tuple(reversed(newer)), known=known
    )


def _config() -> Config:
    config = Config()
    # Alembic reads its options with %-interpolation.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
