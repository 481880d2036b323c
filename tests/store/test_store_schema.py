"""The schema is migrated by the code that needs it, and a store of another schema is refused with the cure."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from activities.analytics.store import Store, deliveries, migrate, open_store, schema
from activities.analytics.store.engine import BUSY_SECONDS, serialise
from activities.analytics.store.schema import status
from models.base import SternwayError
from models.tables import metadata


def set_revision(store: Store, revision: str) -> None:
    with store.unchecked(writes=True) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    store.schema_checked = False


def test_an_empty_store_is_refused_with_the_cure(store_url: str) -> None:
    store = open_store(store_url)
    with pytest.raises(SternwayError, match="run: sternway store migrate"):
        deliveries.counts(store)
    store.close()


def test_an_older_store_is_refused_with_the_cure(store: Store) -> None:
    set_revision(store, "0001")
    with pytest.raises(SternwayError, match=r"at schema 0001.*run: sternway store migrate"):
        deliveries.counts(store)
    assert status(store).pending[0] == "0002"


def test_a_newer_store_is_refused_and_not_touched(store: Store) -> None:
    set_revision(store, "from-the-future")
    with pytest.raises(SternwayError, match=r"newer than this Sternway.*upgrade Sternway"):
        deliveries.counts(store)
    with pytest.raises(SternwayError, match="newer than this Sternway"):
        migrate(store)
    assert status(store).revision == "from-the-future"


def migrate_by_later_code(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, says: str) -> None:
    """Migrate *store* as code would that has one migration more, which *says* something of older code."""
    shutil.copytree(schema.MIGRATIONS, folder / "migrations")
    newest = status(store).wanted
    (folder / "migrations/versions/later.py").write_text(LATER.format(newest=newest, says=says.format(newest=newest)))
    with monkeypatch.context() as later:
        later.setattr(schema, "MIGRATIONS", folder / "migrations")
        assert migrate(store).revision == "later"
    store.schema_checked = False


LATER = """
from alembic import op
revision, down_revision, branch_labels, depends_on = "later", "{newest}", None, None
{says}

def upgrade() -> None:
    op.execute("CREATE TABLE later (id INTEGER)")
"""


def test_a_process_of_the_build_before_starts_again_after_a_migration_that_leaves_it_able_to_work(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate_by_later_code(store, tmp_path, monkeypatch, 'oldest_code = "{newest}"')
    assert deliveries.counts(store)
    assert migrate(store).revision == "later", "it is left as it is"
    assert (status(store).known, status(store).usable) == (False, True)


def test_after_a_migration_that_does_not_say_so_it_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate_by_later_code(store, tmp_path, monkeypatch, "")
    with pytest.raises(SternwayError, match="newer than this Sternway"):
        deliveries.counts(store)


def test_migrating_again_changes_nothing(store: Store) -> None:
    before = status(store)
    assert migrate(store) == before
    assert before.current
    assert before.pending == ()


def test_processes_that_migrate_at_once_all_find_it_done(store_url: str) -> None:
    code = "import sys; from activities.analytics.store import *; print(migrate(open_store(sys.argv[1])).current)"
    command = [sys.executable, "-c", code, store_url]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[0] for process in started] == ["True\n"] * 3


def test_the_migrations_make_the_tables_that_the_code_has(store: Store) -> None:
    with store.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        ("mysql://u:s3cret@db/sternway", "cannot live in mysql; write sqlite"),
        ("s3cret", "cannot be read; write sqlite"),
        ("sqlite://", "name a file"),
        ("sqlite:///:memory:", "name a file"),
        ("sqlite:////no/such/folder/store.db", "/no/such/folder does not exist; create it"),
    ],
)
def test_a_url_that_cannot_be_a_store_is_refused_with_the_cure(url: str, cure: str) -> None:
    with pytest.raises(SternwayError, match=cure) as refused:
        open_store(url)
    assert "s3cret" not in str(refused.value)


def test_the_password_is_in_no_message(tmp_path: Path) -> None:
    store = open_store(f"postgresql://sternway:s3cret@/sternway?host={tmp_path}")
    with pytest.raises(SternwayError) as refused:
        deliveries.counts(store)
    assert "s3cret" not in str(refused.value)
    assert "sternway:***@" in str(refused.value)


def test_migrating_waits_for_another_process_longer_than_a_write_does(store_url: str) -> None:
    one, other = open_store(store_url), open_store(store_url)
    with ThreadPoolExecutor(1) as thread:
        with one.unchecked(writes=True) as connection:
            serialise(connection, "sternway:migrate")
            migrating = thread.submit(migrate, other)
            with pytest.raises(TimeoutError):
                migrating.result(BUSY_SECONDS + 0.5)
        assert migrating.result(60).current
    one.close()
    other.close()
