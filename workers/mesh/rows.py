"""The control plane's own tables, in the ledger's file: leases, and the endpoints that were known last.

A table keeps the columns that it was released with, and what is added later gets a table of its own: the version before
writes rows without naming columns, and whoever goes back to it needs its protection just then.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from activities import fault_points
from models.lease import Lease
from workers.ledger import Ledger
from workers.mesh.endpoint import Endpoint

_SCHEMA = """
CREATE TABLE IF NOT EXISTS mesh_leases (
  id TEXT PRIMARY KEY, active INTEGER NOT NULL CHECK (active IN (0, 1)), lease TEXT NOT NULL, newest TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mesh_lease_seconds (
  id TEXT PRIMARY KEY, seconds REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mesh_endpoints (
  agent TEXT NOT NULL, id TEXT NOT NULL, endpoint TEXT NOT NULL, PRIMARY KEY (agent, id)
) WITHOUT ROWID;
"""
_LONGEST = 3600.0
"""Seconds: the longest that a lease may be given, for one that was taken by a version that did not keep them."""

_MOVE_SECONDS = (
    "INSERT OR REPLACE INTO mesh_lease_seconds SELECT id, seconds FROM mesh_leases",
    "ALTER TABLE mesh_leases DROP COLUMN seconds",
)
"""For a file in which they were a column, for a while."""


class KeptLease(NamedTuple):
    lease: Lease
    newest: str | None
    """The release that was the newest when it was taken."""
    seconds: float
    """What it was last given."""


class Rows:
    """Each write is one durable transaction."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        with ledger.transaction() as connection:
            for statement in filter(str.strip, _SCHEMA.split(";")):
                connection.execute(statement)
            if "seconds" in [column[1] for column in connection.execute("PRAGMA table_info(mesh_leases)")]:
                for statement in _MOVE_SECONDS:
                    connection.execute(statement)

    def put_lease(self, lease: Lease, newest: str | None, seconds: float) -> None:
        """*newest* is kept from the first time."""
        with self._ledger.transaction() as connection:
            connection.execute(
                "INSERT INTO mesh_leases (id, active, lease, newest) VALUES (?, ?, ?, ?) ON CONFLICT (id)"
                " DO UPDATE SET active = excluded.active, lease = excluded.lease",
                (lease.id, lease.active, lease.model_dump_json(exclude={"pending"}), newest),
            )
            connection.execute("INSERT OR REPLACE INTO mesh_lease_seconds VALUES (?, ?)", (lease.id, seconds))
            fault_points.reached("lease is written", "active" if lease.active else "over")
        fault_points.reached("lease is durable", "active" if lease.active else "over")

    def lease(self, id: str) -> Lease | None:
        """The lease, be it active or spent."""
        row = self._ledger.connection.execute("SELECT lease FROM mesh_leases WHERE id = ?", (id,)).fetchone()
        return Lease.of_any_build(row[0]) if row else None

    def active_leases(self) -> list[KeptLease]:
        """Those that are not known to have ended."""
        query = (
            "SELECT lease, newest, coalesce(seconds, ?) FROM mesh_leases LEFT JOIN mesh_lease_seconds USING (id)"
            " WHERE active ORDER BY id"
        )
        rows = self._ledger.connection.execute(query, (_LONGEST,)).fetchall()
        return [KeptLease(Lease.of_any_build(lease), newest, seconds) for lease, newest, seconds in rows]

    def put_endpoints(self, agent: str, endpoints: tuple[Endpoint, ...]) -> None:
        """All that *agent* knows now, in place of what it knew."""
        with self._ledger.transaction() as connection:
            connection.execute("DELETE FROM mesh_endpoints WHERE agent = ?", (agent,))
            connection.executemany(
                "INSERT INTO mesh_endpoints VALUES (?, ?, ?)", [(agent, e.id, e.model_dump_json()) for e in endpoints]
            )

    def endpoints(self) -> dict[str, tuple[Endpoint, ...]]:
        """By agent."""
        rows = self._ledger.connection.execute("SELECT agent, endpoint FROM mesh_endpoints ORDER BY agent, id")
        found: dict[str, tuple[Endpoint, ...]] = {}
        for agent, endpoint in rows:
            found[agent] = (*found.get(agent, ()), Endpoint.of_any_build(endpoint))
        return found


def spent(id: str) -> Lease:
    """The lease of an id that was released before it was taken."""
    return Lease(id=id, owner="", service="", protection=None, expires_at=datetime.now(UTC), active=False)
