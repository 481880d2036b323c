"""The control plane's own tables, in the ledger's file: leases, and the endpoints that were known last."""

from __future__ import annotations

from datetime import UTC, datetime

from activities import fault_points
from models.lease import Lease
from workers.ledger import Ledger
from workers.mesh.endpoint import Endpoint
from workers.mesh.protection import Held

_SCHEMA = """
CREATE TABLE IF NOT EXISTS mesh_leases (
  id TEXT PRIMARY KEY, active INTEGER NOT NULL CHECK (active IN (0, 1)), lease TEXT NOT NULL, newest TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mesh_endpoints (
  agent TEXT NOT NULL, id TEXT NOT NULL, endpoint TEXT NOT NULL, PRIMARY KEY (agent, id)
) WITHOUT ROWID;
"""


class Rows:
    """Each write is one durable transaction."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        with ledger.transaction() as connection:
            for statement in filter(str.strip, _SCHEMA.split(";")):
                connection.execute(statement)

    def put_lease(self, lease: Lease, newest: str | None) -> None:
        with self._ledger.transaction() as connection:
            connection.execute(
                "INSERT INTO mesh_leases VALUES (?, ?, ?, ?) ON CONFLICT (id)"
                " DO UPDATE SET active = excluded.active, lease = excluded.lease",
                (lease.id, lease.active, lease.model_dump_json(exclude={"pending"}), newest),
            )
            fault_points.reached("lease is written", "active" if lease.active else "over")
        fault_points.reached("lease is durable", "active" if lease.active else "over")

    def lease(self, id: str) -> Lease | None:
        """The lease, be it active or spent."""
        row = self._ledger.connection.execute("SELECT lease FROM mesh_leases WHERE id = ?", (id,)).fetchone()
        return Lease.model_validate_json(row[0]) if row else None

    def active_leases(self) -> list[Held]:
        rows = self._ledger.connection.execute(
            "SELECT lease, newest FROM mesh_leases WHERE active ORDER BY id"
        ).fetchall()
        return [(Lease.model_validate_json(lease), newest) for lease, newest in rows]

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
            found[agent] = (*found.get(agent, ()), Endpoint.model_validate_json(endpoint))
        return found


def spent(id: str) -> Lease:
    """The lease of an id that was released before it was taken."""
    return Lease(id=id, owner="", service="", protection=None, expires_at=datetime.now(UTC), active=False)
