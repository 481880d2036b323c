"""Rollback points that say why they were made and what a check found; release holds; deploy events; pauses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

oldest_code = "0002"
"""The code before never wrote a rollback point, and knows nothing of the other two tables nor of the column."""


def upgrade() -> None:
    op.add_column("incidents", sa.Column("paused", sa.JSON(none_as_null=True), nullable=True))
    op.drop_table("rollback_points")  # nothing has ever made one: there is no row to keep
    op.create_table(
        "rollback_points",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("release", sa.String(), nullable=False),
        sa.Column("weights", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("replicas", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("why", _words_of("why", "healthy", "before-change"), nullable=False),
        sa.Column("incident", sa.String(), nullable=True),
        sa.Column("health", _words_of("finding", "pass", "fail", "inconclusive"), nullable=False),
        sa.Column("measured", sa.Text(), nullable=False),
        sa.Column("valid", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("check_said", sa.Text(), nullable=True),
        sa.CheckConstraint("valid OR reason IS NOT NULL", name=op.f("ck_rollback_points_invalid_for_a_reason")),
        sa.CheckConstraint(
            "why <> 'before-change' OR incident IS NOT NULL",
            name=op.f("ck_rollback_points_before_the_change_of_an_incident"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollback_points")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_rollback_points_service_region_taken_at"), "rollback_points", ["service", "region", "taken_at"]
    )
    op.create_table(
        "release_holds",
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("release", sa.String(), nullable=False),
        sa.Column("incident", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("held_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(lifted_at IS NULL) = (lifted_by IS NULL) AND (lifted_at IS NULL) = (lifted_reason IS NULL)",
            name=op.f("ck_release_holds_lifted_by_somebody"),
        ),
        sa.PrimaryKeyConstraint("service", "region", "release", "incident", name=op.f("pk_release_holds")),
    )
    op.create_table(
        "deployments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("service", sa.String(), nullable=True),
        sa.Column("region", sa.String(), nullable=True),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("deployer", sa.Text(), nullable=True),
        sa.Column("unrouted", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(service IS NULL) = (unrouted IS NOT NULL)", name=op.f("ck_deployments_placed_or_said_why_not")
        ),
        sa.CheckConstraint("(service IS NULL) = (region IS NULL)", name=op.f("ck_deployments_placed_as_a_whole")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deployments")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_deployments_service_region_at"), "deployments", ["service", "region", "at"])
    op.create_index(op.f("ix_deployments_source_reference"), "deployments", ["source", "reference"])


def _words_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)
