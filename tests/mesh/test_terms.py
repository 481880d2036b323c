"""How long a lease is in force: by the monotonic clock, and over a restart never longer than it was given."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from models.catalog import LimitAction
from models.lease import Lease
from workers.ledger import Ledger
from workers.mesh.rows import Rows
from workers.mesh.terms import Terms, remaining

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
DAYS = 10 * 86400.0

seconds = st.floats(min_value=0.1, max_value=3600)
jumps = st.floats(min_value=-DAYS, max_value=DAYS)


def lease(expires_at: datetime, id: str = "01LEASE") -> Lease:
    protection = LimitAction(max_requests=1)
    return Lease(id=id, owner="01OWNER", service="payments", protection=protection, expires_at=expires_at, active=True)


@given(granted=seconds, jump=jumps)
def test_over_a_restart_the_wall_clock_says_how_much_is_left_but_never_more_than_was_given(
    granted: float, jump: float
) -> None:
    left = remaining(NOON + timedelta(seconds=granted), granted, NOON + timedelta(seconds=jump))
    assert 0 <= left <= granted
    if 0 <= jump <= granted:
        assert abs(left - (granted - jump)) < 1e-3
    if jump >= granted:
        assert left == 0


@given(granted=seconds, jump=jumps, before=st.floats(min_value=0, max_value=1), after=st.floats(1, 9))
def test_while_the_process_lives_no_jump_shortens_or_prolongs_a_lease(
    granted: float, jump: float, before: float, after: float
) -> None:
    with closing(Ledger(":memory:")) as ledger:
        terms = Terms(Rows(ledger), NOON, now=100.0)
        # The wall clock is read once, for people to see; a renewal would read it again, wherever it is then.
        terms.take(lease(NOON + timedelta(seconds=jump + granted)), None, granted, now=100.0)
        assert len(terms.running(100.0 + before * granted * 0.999)) == 1
        assert not terms.running(100.0 + after * granted + 1e-6)
        assert len(terms.over(100.0 + after * granted + 1e-6)) == 1


restarts = st.lists(st.tuples(st.floats(min_value=0, max_value=100), jumps), max_size=6)


@given(granted=seconds, restarts=restarts)
def test_however_often_it_restarts_and_whatever_the_clock_shows_then_a_lease_ends(
    granted: float, restarts: list[tuple[float, float]]
) -> None:
    with closing(Ledger(":memory:")) as ledger:
        rows = Rows(ledger)
        now, wall = 0.0, NOON
        terms = Terms(rows, wall, now)
        terms.take(lease(wall + timedelta(seconds=granted)), None, granted, now)
        for passed, jump in restarts:
            now, wall = now + passed, wall + timedelta(seconds=passed + jump)
            terms = Terms(rows, wall, now)
            assert not terms.running(now + granted + 1e-3), "a restart gives it no more than it had at first"


def test_after_a_jump_back_the_restarts_that_follow_go_on_counting() -> None:
    with closing(Ledger(":memory:")) as ledger:
        rows = Rows(ledger)
        Terms(rows, NOON, 0.0).take(lease(NOON + timedelta(seconds=60)), None, 60, 0.0)
        back = NOON - timedelta(hours=5)
        Terms(rows, back, 10.0)
        later = Terms(rows, back + timedelta(seconds=40), 50.0)
        assert len(later.running(69.0)) == 1
        assert not later.running(71.0)


def test_what_was_lifted_stays_lifted_over_a_restart() -> None:
    with closing(Ledger(":memory:")) as ledger:
        rows = Rows(ledger)
        terms = Terms(rows, NOON, 0.0)
        taken = lease(NOON + timedelta(seconds=60))
        terms.take(taken, None, 60, 0.0)
        terms.end(taken)
        again = Terms(rows, NOON, 0.0)
        assert not again.running(0.0)
        found = again.find(taken.id, 0.0)
        assert found is not None
        assert not found.active


def test_the_version_before_still_takes_leases_in_a_file_that_this_one_has_used() -> None:
    with closing(Ledger(":memory:")) as ledger:
        Terms(Rows(ledger), NOON, 0.0).take(lease(NOON + timedelta(seconds=60), "01NEW"), None, 60, 0.0)
        by_the_version_before = lease(NOON + timedelta(seconds=30), "01OLD")
        ledger.connection.execute(
            "INSERT INTO mesh_leases VALUES (?, ?, ?, ?) ON CONFLICT (id)"
            " DO UPDATE SET active = excluded.active, lease = excluded.lease",
            (by_the_version_before.id, True, by_the_version_before.model_dump_json(exclude={"pending"}), None),
        )
        running = Terms(Rows(ledger), NOON, 0.0).running(0.0)
        assert {term.lease.id: term.ends for term in running} == {"01NEW": 60.0, "01OLD": 30.0}


def test_seconds_that_were_a_column_are_kept() -> None:
    with closing(Ledger(":memory:")) as ledger:
        ledger.connection.execute(
            "CREATE TABLE mesh_leases (id TEXT PRIMARY KEY, active INTEGER NOT NULL CHECK (active IN (0, 1)),"
            " lease TEXT NOT NULL, newest TEXT, seconds REAL NOT NULL) WITHOUT ROWID"
        )
        kept = lease(NOON + timedelta(hours=5))
        row = (kept.id, kept.model_dump_json(exclude={"pending"}))
        ledger.connection.execute("INSERT INTO mesh_leases VALUES (?, 1, ?, NULL, 60)", row)
        rows = Rows(ledger)
        assert [kept.seconds for kept in rows.active_leases()] == [60.0]
        rows.put_lease(kept, None, 30)
        assert [kept.seconds for kept in Rows(ledger).active_leases()] == [30.0]


def test_a_file_of_a_version_that_did_not_keep_the_seconds_is_taken_over() -> None:
    with closing(Ledger(":memory:")) as ledger:
        ledger.connection.execute(
            "CREATE TABLE mesh_leases (id TEXT PRIMARY KEY, active INTEGER NOT NULL, lease TEXT NOT NULL, newest TEXT)"
        )
        kept = lease(NOON + timedelta(seconds=60))
        row = (kept.id, kept.model_dump_json(exclude={"pending"}))
        ledger.connection.execute("INSERT INTO mesh_leases VALUES (?, 1, ?, NULL)", row)
        (term,) = Terms(Rows(ledger), NOON, 0.0).running(0.0)
        assert (term.lease, term.ends) == (kept, 60.0)
