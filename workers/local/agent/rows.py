"""What the agent must still know after its own death: replicas, how to run each release, and what was deployed when.

The rows share the ledger's file, so that they are as durable as what was wanted. A replica's row is written before its
process starts and deleted only once its process is known to be dead.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from activities.platform.fields import FROZEN, RESTARTED
from models.base import Frozen, SternwayError
from models.deployment import Deployment
from models.identity import Key
from models.receipt import Receipt
from workers.ledger import Ledger
from workers.local.agent.process import Identity

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS replicas (id TEXT PRIMARY KEY, region TEXT NOT NULL, service TEXT NOT NULL,"
    " release TEXT NOT NULL, port INTEGER NOT NULL, draining INTEGER NOT NULL DEFAULT 0, pid INTEGER, created TEXT)",
    "CREATE TABLE IF NOT EXISTS releases (service TEXT, release TEXT, how TEXT NOT NULL,"
    " PRIMARY KEY (service, release))",
    "CREATE TABLE IF NOT EXISTS deployments (sequence INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE,"
    " region TEXT NOT NULL, service TEXT NOT NULL, release TEXT NOT NULL, at TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS replacements (replica TEXT PRIMARY KEY, key TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS starts (sequence INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL)",
)


class DeploymentRefused(SternwayError):
    """The service is frozen in this region, and by which incident."""


class HowToRun(Frozen):
    """What a release is on this platform: a program that serves HTTP on the listening socket that it inherits."""

    command: tuple[str, ...] = Field(min_length=1)
    env: dict[str, str] = {}


@dataclass(frozen=True)
class Row:
    """One replica as it is recorded. Without an identity: it was about to be started."""

    id: str
    region: str
    service: str
    release: str
    port: int
    draining: bool = False
    identity: Identity | None = None

    @property
    def group(self) -> Group:
        return Group(self.region, self.service, self.release)


@dataclass(frozen=True, order=True)
class Group:
    """The replicas of one release of one service in one region."""

    region: str
    service: str
    release: str


class Rows:
    """The agent's tables. Synchronous, each call one durable transaction."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        with ledger.transaction() as connection:
            for statement in SCHEMA:
                connection.execute(statement)

    def replicas(self) -> tuple[Row, ...]:
        """Every recorded replica, oldest first (ids are ULIDs)."""
        query = "SELECT id, region, service, release, port, draining, pid, created FROM replicas ORDER BY id"
        with self._ledger.transaction() as connection:
            rows = connection.execute(query).fetchall()
        return tuple(
            Row(*row[:5], draining=bool(row[5]), identity=Identity(row[6], row[7]) if row[6] else None) for row in rows
        )

    def add(self, row: Row) -> None:
        with self._ledger.transaction() as connection:
            connection.execute(
                "INSERT INTO replicas (id, region, service, release, port) VALUES (?, ?, ?, ?, ?)",
                (row.id, row.region, row.service, row.release, row.port),
            )

    def started(self, replica: str, identity: Identity) -> None:
        with self._ledger.transaction() as connection:
            connection.execute(
                "UPDATE replicas SET pid = ?, created = ? WHERE id = ?", (identity.pid, identity.created, replica)
            )

    def leaving(self) -> frozenset[str]:
        """Ids of the replicas that go once others serve in their place."""
        with self._ledger.transaction() as connection:
            return frozenset(row[0] for row in connection.execute("SELECT replica FROM replacements").fetchall())

    def drain(self, replica: str) -> None:
        with self._ledger.transaction() as connection:
            connection.execute("UPDATE replicas SET draining = 1 WHERE id = ?", (replica,))

    def remove(self, replica: str) -> None:
        with self._ledger.transaction() as connection:
            connection.execute("DELETE FROM replicas WHERE id = ?", (replica,))
            connection.execute("DELETE FROM replacements WHERE replica = ?", (replica,))

    def replace(self, change: Receipt) -> None:
        """Let the oldest replica go of each release that *change* restarts, of those that do not go anyway.

        To be called beside its receipt: so a repeat of its key replaces no other one. Ids are ULIDs, the least is the
        oldest.
        """
        region, _, service = change.resource.partition("/")
        for release in (name.removeprefix(RESTARTED) for name in change.after if name.startswith(RESTARTED)):
            with self._ledger.transaction() as connection:
                connection.execute(
                    "INSERT INTO replacements SELECT id, ? FROM replicas WHERE region = ? AND service = ?"
                    " AND release = ? AND draining = 0 AND id NOT IN (SELECT replica FROM replacements)"
                    " ORDER BY id LIMIT 1",
                    (change.key, region, service, release),
                )

    def keep(self, undoing: Receipt) -> None:
        """What was to go by the change that this takes back, and still serves, stays. Beside its receipt as well."""
        with self._ledger.transaction() as connection:
            connection.execute(
                "DELETE FROM replacements WHERE key = ? AND replica IN (SELECT id FROM replicas WHERE draining = 0)",
                (str(Key.parse(undoing.key).done()),),
            )

    def register(self, service: str, release: str, how: HowToRun) -> None:
        with self._ledger.transaction() as connection:
            connection.execute(
                "INSERT INTO releases VALUES (?, ?, ?) ON CONFLICT (service, release) DO UPDATE SET how = excluded.how",
                (service, release, how.model_dump_json()),
            )

    def releases(self, service: str) -> dict[str, HowToRun]:
        with self._ledger.transaction() as connection:
            rows = connection.execute("SELECT release, how FROM releases WHERE service = ?", (service,)).fetchall()
        return {release: HowToRun.of_any_build(how) for release, how in rows}

    def deploy(self, key: str, region: str, service: str, release: str, now: datetime) -> Deployment:
        """Record that *release* is now deployed. A repeat of *key* returns what was recorded first.

        Raises :class:`DeploymentRefused` while the service is frozen.
        """
        with self._ledger.transaction() as connection:
            row = connection.execute("SELECT release, at FROM deployments WHERE key = ?", (key,)).fetchone()
            if row:
                return Deployment(release=row[0], at=datetime.fromisoformat(row[1]))
            self._require_unfrozen(region, service, release)
            connection.execute(
                "INSERT INTO deployments (key, region, service, release, at) VALUES (?, ?, ?, ?, ?)",
                (key, region, service, release, now.astimezone(UTC).isoformat()),
            )
        return Deployment(release=release, at=now.astimezone(UTC))

    def _require_unfrozen(self, region: str, service: str, release: str) -> None:
        resource = f"{region}/{service}"
        froze = self._ledger.standing_change(resource, FROZEN)
        if froze and froze.after[FROZEN]:
            key = Key.parse(froze.key)
            raise DeploymentRefused(
                f"{service} in {region} is frozen by incident {key.incident} since {froze.at:%Y-%m-%d %H:%M:%S} UTC, "
                f"so {release} was not deployed. While the incident runs, it thaws it when it has recovered, and "
                f"'sternway incidents abort {key.incident}' takes back all that it has done; once it has ended, "
                f"'sternway undo {key.incident} --step {key.step}' lifts the freeze and nothing else"
            )

    def deployments(self, region: str, service: str) -> tuple[Deployment, ...]:
        """Newest first."""
        query = "SELECT release, at FROM deployments WHERE region = ? AND service = ? ORDER BY sequence DESC"
        with self._ledger.transaction() as connection:
            rows = connection.execute(query, (region, service)).fetchall()
        return tuple(Deployment(release=release, at=datetime.fromisoformat(at)) for release, at in rows)

    def count_start(self, now: datetime) -> int:
        """How many times an agent has started on this file, this time included."""
        with self._ledger.transaction() as connection:
            cursor = connection.execute("INSERT INTO starts (at) VALUES (?)", (now.isoformat(),))
        return int(cursor.lastrowid or 0)


def open_rows(data: Path) -> tuple[Ledger, Rows]:
    """The ledger and the rows of the agent whose data folder is *data*."""
    ledger = Ledger(data / "agent.db")
    return ledger, Rows(ledger)
