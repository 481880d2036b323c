"""The store's tables. They do not validate: values pass through the pydantic contracts first, and CHECKs stand behind.

Rows that mirror a contract carry its field names. JSON columns are replaced as a whole, never changed in place.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from models.alert import AlertState, AlertStatus, Severity
from models.catalog import Level
from models.columns import UtcTime, Words, vocabulary
from models.incident import Phase
from models.intent import Tier
from models.point import Why
from models.prediction import ModelStatus
from models.verdict import Finding

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Row(SQLModel, registry=registry(metadata=metadata)):
    """What every table of the store is made from."""


def _json(*, nullable: bool = False) -> Column[Any]:
    return Column(JSON(none_as_null=True), nullable=nullable)


def _time(*, nullable: bool = False) -> Column[Any]:
    return Column(UtcTime, nullable=nullable)


def _words(*, nullable: bool = False) -> Column[Any]:
    return Column(Words, nullable=nullable)


def _named(table: str) -> Any:
    """SQLModel declares the attribute as a function of the class; a name is what it means."""
    return table


class SchemaUseRow(Row, table=True):
    """Who may use the store at a revision: asked by code that does not know the revision itself."""

    __tablename__ = _named("schema_use")

    revision: str = Field(primary_key=True)
    oldest_code: str
    """The oldest revision whose code may."""


class DeliveryRow(Row, table=True):
    """One request that carried alerts, as it came."""

    __tablename__ = _named("deliveries")
    __table_args__ = (
        Index(None, "source", "digest"),
        Index(
            "ix_deliveries_quarantined",
            "id",
            sqlite_where=text("quarantine_reason IS NOT NULL"),
            postgresql_where=text("quarantine_reason IS NOT NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    source: str
    digest: str
    received_at: datetime = Field(sa_column=_time())
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    headers: dict[str, str] = Field(sa_column=_json())
    quarantine_reason: str | None = Field(default=None, sa_column=_words(nullable=True))


class AlertRow(Row, table=True):
    """One alert of a delivery. Its id is never used again: workflows refer to it."""

    __tablename__ = _named("alerts")
    __table_args__ = (
        UniqueConstraint("delivery_id", "position"),
        Index(None, "state", "severity", "id"),
        Index(None, "incident"),
        CheckConstraint("state <> 'started' OR incident IS NOT NULL", name="started_by_an_incident"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    delivery_id: int = Field(sa_column=Column(ForeignKey("deliveries.id"), nullable=False))
    position: int
    """Place in its delivery, from 0."""
    received_at: datetime = Field(sa_column=_time())
    source: str
    fingerprint: str = Field(sa_column=_words())
    status: AlertStatus = Field(sa_column=Column(vocabulary(AlertStatus), nullable=False))
    severity: Severity = Field(sa_column=Column(vocabulary(Severity), nullable=False))
    service: str = Field(sa_column=_words())
    region: str = Field(sa_column=_words())
    group: str = Field(sa_column=Column("alert_group", Words, nullable=False))
    name: str = Field(sa_column=_words())
    summary: str = Field(sa_column=_words())
    starts_at: datetime = Field(sa_column=_time())
    labels: dict[str, str] = Field(sa_column=_json())
    state: AlertState = Field(sa_column=Column(vocabulary(AlertState), nullable=False))
    incident: str | None = None
    reason: str = Field(default="", sa_column=_words())


class CatalogRow(Row, table=True):
    """A catalog that an incident began with, by its digest."""

    __tablename__ = _named("catalogs")

    digest: str = Field(primary_key=True)
    text: str = Field(sa_column=Column(Words, nullable=False))


class IncidentRow(Row, table=True):
    """Projection of an incident's journal."""

    __tablename__ = _named("incidents")
    __table_args__ = (Index(None, "ended_at", "received_at"), CheckConstraint("alerts >= 0", name="alerts_counted"))

    id: str = Field(primary_key=True)
    workflow: str
    region: str
    service: str
    severity: Severity = Field(sa_column=Column(vocabulary(Severity), nullable=False))
    level: Level = Field(sa_column=Column(vocabulary(Level), nullable=False))
    reason: str = Field(sa_column=_words())
    catalog: str
    received_at: datetime = Field(sa_column=_time())
    phase: Phase = Field(sa_column=Column(vocabulary(Phase), nullable=False))
    detail: str = Field(sa_column=_words())
    paused: dict[str, Any] | None = Field(default=None, sa_column=_json(nullable=True))
    """The :class:`~models.incident.Pause`; none while it is not paused."""
    ended_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))
    sentence: str = Field(sa_column=_words())
    strategy: str | None = None
    target: str | None = None
    plan: dict[str, Any] | None = Field(default=None, sa_column=_json(nullable=True))
    verdict: dict[str, Any] | None = Field(default=None, sa_column=_json(nullable=True))
    impact: dict[str, Any] | None = Field(default=None, sa_column=_json(nullable=True))
    milestones: dict[str, str] = Field(sa_column=_json())
    alerts: int = 0


class StepRow(Row, table=True):
    """A step of one source as it stands. It may be reported before its incident is: a child workflow may be faster."""

    __tablename__ = _named("steps")
    __table_args__ = (
        CheckConstraint(
            "status IN ('registered', 'done', 'failed', 'undone', 'superseded', 'nothing-to-undo')", name="status"
        ),
    )

    incident: str = Field(primary_key=True)
    source: str = Field(primary_key=True)
    step: str = Field(primary_key=True)
    first_seq: int
    """Place of its first report in the incident's chain: the order of steps."""
    title: str = Field(sa_column=_words())
    module: str
    status: str
    detail: str = Field(sa_column=_words())
    resource: str = Field(sa_column=_words())
    at: datetime = Field(sa_column=_time())


class ReceiptRow(Row, table=True):
    """A receipt of a step: of the change, or of its undoing."""

    __tablename__ = _named("receipts")
    __table_args__ = (Index(None, "incident", "source", "step"),)

    key: str = Field(primary_key=True)
    incident: str
    source: str
    step: str
    at: datetime = Field(sa_column=_time())
    receipt: dict[str, Any] = Field(sa_column=_json())


class PointRow(Row, table=True):
    """A rollback point."""

    __tablename__ = _named("rollback_points")
    __table_args__ = (
        Index(None, "service", "region", "taken_at"),
        CheckConstraint("valid OR reason IS NOT NULL", name="invalid_for_a_reason"),
        CheckConstraint("why <> 'before-change' OR incident IS NOT NULL", name="before_the_change_of_an_incident"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    service: str
    region: str
    release: str
    weights: dict[str, int] = Field(sa_column=_json())
    replicas: dict[str, int] = Field(sa_column=_json())
    taken_at: datetime = Field(sa_column=_time())
    why: Why = Field(sa_column=Column(vocabulary(Why), nullable=False))
    incident: str | None = None
    health: Finding = Field(sa_column=Column(vocabulary(Finding), nullable=False))
    measured: str = Field(sa_column=_words())
    valid: bool
    reason: str | None = Field(default=None, sa_column=_words(nullable=True))
    expires_at: datetime = Field(sa_column=_time())
    checked_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))
    check_said: str | None = Field(default=None, sa_column=_words(nullable=True))


class HoldRow(Row, table=True):
    """A release that an incident has rolled away from."""

    __tablename__ = _named("release_holds")
    __table_args__ = (
        CheckConstraint(
            "(lifted_at IS NULL) = (lifted_by IS NULL) AND (lifted_at IS NULL) = (lifted_reason IS NULL)",
            name="lifted_by_somebody",
        ),
    )

    service: str = Field(primary_key=True)
    region: str = Field(primary_key=True)
    release: str = Field(primary_key=True)
    incident: str = Field(primary_key=True)
    since: datetime = Field(sa_column=_time())
    by: str = Field(sa_column=Column("held_by", Words, nullable=False))
    reason: str = Field(sa_column=_words())
    lifted_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))
    lifted_by: str | None = Field(default=None, sa_column=_words(nullable=True))
    lifted_reason: str | None = Field(default=None, sa_column=_words(nullable=True))


class DeploymentRow(Row, table=True):
    """A deploy event of a service in a region, or one that has no place in the catalog."""

    __tablename__ = _named("deployments")
    __table_args__ = (
        Index(None, "service", "region", "at"),
        Index(None, "source", "reference"),
        CheckConstraint("(service IS NULL) = (unrouted IS NOT NULL)", name="placed_or_said_why_not"),
        CheckConstraint("(service IS NULL) = (region IS NULL)", name="placed_as_a_whole"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    source: str
    reference: str = Field(sa_column=_words())
    service: str | None = None
    region: str | None = None
    release: str = Field(sa_column=_words())
    at: datetime = Field(sa_column=_time())
    received_at: datetime = Field(sa_column=_time())
    url: str | None = Field(default=None, sa_column=_words(nullable=True))
    description: str | None = Field(default=None, sa_column=_words(nullable=True))
    deployer: str | None = Field(default=None, sa_column=_words(nullable=True))
    unrouted: str | None = Field(default=None, sa_column=_words(nullable=True))


class IntentRow(Row, table=True):
    """What somebody wants of the guards of a target in a region, while it holds and for a while afterwards."""

    __tablename__ = _named("guard_intents")
    __table_args__ = (Index(None, "region", "ended_at"),)

    id: str = Field(primary_key=True)
    owner: str = Field(sa_column=_words())
    tier: Tier = Field(sa_column=Column(vocabulary(Tier), nullable=False))
    region: str
    target: str = Field(sa_column=_words())
    because: str = Field(sa_column=_words())
    mode: str | None = None
    least_value: float | None = None
    retries: float | None = None
    max_requests: int | None = None
    since: datetime = Field(sa_column=_time())
    expires_at: datetime = Field(sa_column=_time())
    ended_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))
    lifted: bool = False


class IntentEpochRow(Row, table=True):
    """The number of a region's state of intents: one more with each change."""

    __tablename__ = _named("guard_epochs")

    region: str = Field(primary_key=True)
    epoch: int


class TickRow(Row, table=True):
    """What was measured of a region's services in one interval, and what was predicted then."""

    __tablename__ = _named("telemetry_ticks")
    __table_args__ = (CheckConstraint("interval_s >= 1", name="interval"),)

    region: str = Field(primary_key=True)
    interval_s: int = Field(primary_key=True)
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    """Intervals since 1970."""
    at: datetime = Field(sa_column=_time())
    samples: dict[str, Any] = Field(sa_column=_json())
    """By service: its metrics after the time of the sample, or the reason why there is none."""
    model: int | None = None
    """The version that predicted."""
    probabilities: dict[str, float] | None = Field(default=None, sa_column=_json(nullable=True))
    """By service, of those that were predicted; none before that."""
    abstained: dict[str, str] | None = Field(default=None, sa_column=_json(nullable=True))
    """By service, why nothing was predicted of it; none before that."""


class SignalsRow(Row, table=True):
    """The latest cumulative counts of a region's services: the next interval begins there."""

    __tablename__ = _named("telemetry_signals")

    region: str = Field(primary_key=True)
    interval_s: int = Field(primary_key=True)
    signals: dict[str, Any] = Field(sa_column=_json())


class ModelRow(Row, table=True):
    """One version of the model that predicts, with all that serving it takes."""

    __tablename__ = _named("prediction_models")
    __table_args__ = (
        Index(
            "uq_prediction_models_current",
            "status",
            unique=True,
            sqlite_where=text("status = 'current'"),
            postgresql_where=text("status = 'current'"),
        ),
        {"sqlite_autoincrement": True},
    )

    version: int | None = Field(default=None, primary_key=True)
    created_at: datetime = Field(sa_column=_time())
    training_digest: str
    """SHA-256 of the samples and outcomes that it was learned from."""
    status: ModelStatus = Field(sa_column=Column(vocabulary(ModelStatus), nullable=False))
    because: str = Field(sa_column=_words())
    """Why it has this status."""
    since: datetime = Field(sa_column=_time())
    figures: dict[str, Any] = Field(sa_column=_json())
    """Of its validation."""
    bundle: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class AlarmRow(Row, table=True):
    """A prediction that was worth an alarm, and what became of it."""

    __tablename__ = _named("prediction_alarms")
    __table_args__ = (Index(None, "region", "service", "at"), Index(None, "settled_at", "at"))

    id: str = Field(primary_key=True)
    region: str
    service: str
    at: datetime = Field(sa_column=_time())
    until: datetime = Field(sa_column=_time())
    """The end of its horizon."""
    alarm: dict[str, Any] = Field(sa_column=_json())
    """The :class:`~models.prediction.Alarm`."""
    risk: dict[str, Any] | None = Field(default=None, sa_column=_json(nullable=True))
    """The :class:`~models.prediction.Risk`; none until that has been looked at."""
    came_true: bool | None = None
    """Whether an incident began within the horizon; none while that is not known."""
    settled_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))


OF_PREVENTIONS = "kind IN ('prevention-started', 'prevention-acts', 'prevention-ended')"
"""The few events that a budget and what an action averts are read from. A query says it in these very words: SQLite
takes a partial index for no others."""


class EventRow(Row, table=True):
    """One link of an incident's hash chain. Triggers refuse every change but erasing payload and salt together."""

    __tablename__ = _named("events")
    __table_args__ = (
        UniqueConstraint("incident", "source", "source_seq"),
        CheckConstraint("seq >= 1", name="seq"),
        CheckConstraint("length(hash) = 64 AND length(previous_hash) = 64", name="hashes"),
        CheckConstraint("(payload IS NULL) = (salt IS NULL)", name="erased_together"),
        Index(
            "ix_events_preventions",
            "incident",
            sqlite_where=text(OF_PREVENTIONS),
            postgresql_where=text(OF_PREVENTIONS),
        ),
        # Without a row id of its own, SQLite cannot be told to replace a row behind the triggers' back.
        {"sqlite_with_rowid": False},
    )

    incident: str = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    source: str
    source_seq: int
    kind: str
    at: datetime = Field(sa_column=_time())
    payload: str | None = None
    """Canonical JSON, kept as text: the digest is over these very characters."""
    salt: str | None = None
    payload_digest: str
    previous_hash: str
    hash: str


class AnchorRow(Row, table=True):
    """One link of the chain of heads: how long an ended incident's chain was, and its last hash."""

    __tablename__ = _named("anchors")
    __table_args__ = (CheckConstraint("seq >= 1 AND head_seq >= 1", name="seq"), {"sqlite_with_rowid": False})

    seq: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    incident: str = Field(index=True)
    head_seq: int
    head_hash: str
    at: datetime = Field(sa_column=_time())
    previous_hash: str
    hash: str
