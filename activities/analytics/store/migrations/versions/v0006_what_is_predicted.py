"""What was measured of services, what was predicted of them, and the models that predict."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

oldest_code = "0002"
"""The code before knows nothing of these tables."""


def upgrade() -> None:
    op.create_table(
        "telemetry_ticks",
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("interval_s", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("samples", sa.JSON(), nullable=False),
        sa.Column("model", sa.Integer(), nullable=True),
        sa.Column("probabilities", sa.JSON(), nullable=True),
        sa.Column("abstained", sa.JSON(), nullable=True),
        sa.CheckConstraint("interval_s >= 1", name=op.f("ck_telemetry_ticks_interval")),
        sa.PrimaryKeyConstraint("region", "interval_s", "number", name=op.f("pk_telemetry_ticks")),
    )
    op.create_table(
        "telemetry_signals",
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("interval_s", sa.Integer(), nullable=False),
        sa.Column("signals", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("region", "interval_s", name=op.f("pk_telemetry_signals")),
    )
    op.create_table(
        "prediction_models",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("training_digest", sa.String(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "challenger",
                "current",
                "former",
                "refused",
                name="modelstatus",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("bundle", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_prediction_models")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_prediction_models_current",
        "prediction_models",
        ["status"],
        unique=True,
        sqlite_where=sa.text("status = 'current'"),
        postgresql_where=sa.text("status = 'current'"),
    )
    op.create_table(
        "prediction_alarms",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("alarm", sa.JSON(), nullable=False),
        sa.Column("risk", sa.JSON(), nullable=True),
        sa.Column("came_true", sa.Boolean(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prediction_alarms")),
    )
    op.create_index(op.f("ix_prediction_alarms_region_service_at"), "prediction_alarms", ["region", "service", "at"])
    op.create_index(op.f("ix_prediction_alarms_settled_at_at"), "prediction_alarms", ["settled_at", "at"])
    of_preventions = sa.text("kind IN ('prevention-started', 'prevention-acts', 'prevention-ended')")
    op.create_index(
        "ix_events_preventions",
        "events",
        ["incident"],
        sqlite_where=of_preventions,
        postgresql_where=of_preventions,
    )
