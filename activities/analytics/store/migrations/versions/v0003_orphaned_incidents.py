"""The phase ``orphaned``: an incident whose workflow is gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

oldest_code = "0002"
"""Pools of the build before go on: they write rows of incidents that run, and one that is orphaned does not run."""

BEFORE = (
    "protecting",
    "assessing",
    "planning",
    "awaiting-approval",
    "executing",
    "verifying",
    "lifting",
    "resolved",
    "advised",
    "aborted",
    "held",
)


def upgrade() -> None:
    # SQLite changes no CHECK in place: the table is copied, which is why both are given here in full.
    with op.batch_alter_table("incidents") as incidents:
        incidents.alter_column("phase", existing_type=_phase(*BEFORE), type_=_phase(*BEFORE, "orphaned"))


def _phase(*values: str) -> sa.Enum:
    return sa.Enum(*values, name="phase", native_enum=False, create_constraint=True, length=32)
