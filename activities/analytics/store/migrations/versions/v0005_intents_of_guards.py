"""What is wanted of the guards inside applications, and the number of each region's state of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

oldest_code = "0002"
"""The code before knows nothing of these tables."""


def upgrade() -> None:
    op.create_table(
        "guard_intents",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column(
            "tier",
            sa.Enum("service", "system", "person", name="tier", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("mode", sa.String(), nullable=True),
        sa.Column("least_value", sa.Float(), nullable=True),
        sa.Column("retries", sa.Float(), nullable=True),
        sa.Column("max_requests", sa.Integer(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guard_intents")),
    )
    op.create_index(op.f("ix_guard_intents_region_ended_at"), "guard_intents", ["region", "ended_at"])
    op.create_table(
        "guard_epochs",
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("region", name=op.f("pk_guard_epochs")),
    )
