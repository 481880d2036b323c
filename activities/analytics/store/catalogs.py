"""The texts of the catalogs that incidents began with, by digest."""

from __future__ import annotations

from sqlalchemy import insert, select

from activities.analytics.store.engine import Store, serialise
from models.tables import metadata

_catalogs = metadata.tables["catalogs"]


def remember(store: Store, digest: str, text: str) -> None:
    """Keep *text* under its *digest*; a second time changes nothing."""
    if recall(store, digest) is not None:
        return
    with store.write() as connection:
        serialise(connection, f"sternway:catalog:{digest}")
        if connection.execute(select(_catalogs.c.digest).where(_catalogs.c.digest == digest)).first() is None:
            connection.execute(insert(_catalogs), {"digest": digest, "text": text})


def recall(store: Store, digest: str) -> str | None:
    """The catalog's text, or None where no incident of this store has begun with it."""
    with store.read() as connection:
        return connection.execute(select(_catalogs.c.text).where(_catalogs.c.digest == digest)).scalar_one_or_none()
