"""Triggers that make the journal append-only, whoever connects: an event's payload and salt may be erased, no more."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEPT = ("incident", "seq", "source", "source_seq", "kind", "at", "payload_digest", "previous_hash", "hash")


def upgrade() -> None:
    statements = SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL
    for statement in statements:
        op.execute(statement)


def _moved(differ: str) -> str:
    return " OR ".join(f"NEW.{column} {differ} OLD.{column}" for column in KEPT)


SQLITE = (
    f"""CREATE TRIGGER events_only_erased BEFORE UPDATE ON events
    WHEN NEW.payload IS NOT NULL OR NEW.salt IS NOT NULL OR {_moved("IS NOT")}
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only: only payload and salt may be erased'); END""",
    """CREATE TRIGGER events_not_deleted BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
    # INSERT OR REPLACE deletes without firing a delete trigger, unless recursive_triggers is on.
    """CREATE TRIGGER events_not_replaced BEFORE INSERT ON events
    WHEN EXISTS (SELECT 1 FROM events WHERE incident = NEW.incident
                 AND (seq = NEW.seq OR (source = NEW.source AND source_seq = NEW.source_seq)))
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only: that event exists'); END""",
    """CREATE TRIGGER anchors_not_updated BEFORE UPDATE ON anchors
    BEGIN SELECT RAISE(ABORT, 'the anchors are append-only'); END""",
    """CREATE TRIGGER anchors_not_deleted BEFORE DELETE ON anchors
    BEGIN SELECT RAISE(ABORT, 'the anchors are append-only'); END""",
    """CREATE TRIGGER anchors_not_replaced BEFORE INSERT ON anchors
    WHEN EXISTS (SELECT 1 FROM anchors WHERE seq = NEW.seq)
    BEGIN SELECT RAISE(ABORT, 'the anchors are append-only: that anchor exists'); END""",
)

POSTGRESQL = (
    """CREATE FUNCTION sternway_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$""",
    f"""CREATE TRIGGER events_only_erased BEFORE UPDATE ON events FOR EACH ROW
    WHEN (NEW.payload IS NOT NULL OR NEW.salt IS NOT NULL OR {_moved("IS DISTINCT FROM")})
    EXECUTE FUNCTION sternway_append_only()""",
    "CREATE TRIGGER events_not_deleted BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION sternway_append_only()",
    "CREATE TRIGGER events_not_emptied BEFORE TRUNCATE ON events EXECUTE FUNCTION sternway_append_only()",
    """CREATE TRIGGER anchors_not_changed BEFORE UPDATE OR DELETE ON anchors FOR EACH ROW
    EXECUTE FUNCTION sternway_append_only()""",
    "CREATE TRIGGER anchors_not_emptied BEFORE TRUNCATE ON anchors EXECUTE FUNCTION sternway_append_only()",
)
