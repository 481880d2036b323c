"""The ledger: what was wanted, who changed it, and all that undoing each change needs, durable before anything acts.

Control planes keep their intent here. A change and its receipt are one SQLite transaction, so that a process killed at
any instant has either made both or neither, and a repeated call finds the first one's receipt. Undoing restores only
what is still ours, and fences the key of a change that never came, so that a late call from a dead worker loses.
An incident that is fenced as a whole makes no new change at all, whoever calls in its name.
Users put tables of their own into the same file and write them inside :meth:`Ledger.transaction`, or beside a receipt.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from activities import fault_points
from models.base import SternwayError
from models.identity import Key
from models.receipt import Conflict, Fields, Outcome, Receipt
from models.standing import taken_over

SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger_resources (
  resource TEXT PRIMARY KEY, generation INTEGER NOT NULL CHECK (generation > 0), state TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger_receipts (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, resource TEXT NOT NULL, receipt TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS ledger_fences (incident TEXT PRIMARY KEY, at TEXT NOT NULL) WITHOUT ROWID;
"""


Beside = Callable[[Receipt], None]
"""What else becomes durable with a new receipt, in its transaction; a repeat of the key does not call it."""


def nothing(_receipt: Receipt) -> None:
    """Nothing else becomes durable with it."""


class Fenced(SternwayError):
    """The change was taken back before it came, or its incident was fenced: it is refused for ever."""


class KeyMisused(SternwayError):
    """The key is not one of ``models.identity.Key``, not that of a *do*, or belongs to another resource; or what should
    be the first part of a key is none."""


@dataclass(frozen=True)
class Snapshot:
    """A resource as the ledger holds it. One that was never changed has generation 0 and no fields."""

    generation: int
    state: Fields


def touched(state: Fields, fields: Fields) -> Fields:
    """What *state* holds for each of *fields*; None where the field is absent."""
    return {name: state.get(name) for name in fields}


def merged(state: Fields, fields: Fields) -> Fields:
    """*state* with *fields* made so; a field of None is absent afterwards."""
    return {name: value for name, value in {**state, **fields}.items() if value is not None}


def applied(key: str, resource: str, now: Snapshot, fields: Fields, at: datetime) -> Receipt:
    """The receipt of making *fields* so."""
    return Receipt(
        key=key,
        resource=resource,
        before=touched(now.state, fields),
        after=dict(fields),
        generation=now.generation + 1,
        outcome=Outcome.APPLIED,
        at=at,
    )


def undone(
    key: str, resource: str, now: Snapshot, do: Receipt | None, later: Sequence[Receipt], at: datetime
) -> Receipt:
    """The receipt of taking *do* back: restored where all of it is still ours, else nothing is written.

    *later*: the receipts of the resource since. A field that another incident has changed is that one's, also where it
    was given the value that it had.
    """
    current = touched(now.state, do.after) if do else {}
    before, after, generation = current, current, now.generation
    if do is None:
        outcome = Outcome.NEVER_HAPPENED
    elif _text(current) == _text(do.after) and not taken_over(do, later):
        outcome, after, generation = Outcome.RESTORED, do.before, now.generation + 1
    else:
        outcome = Outcome.SUPERSEDED
    return Receipt(
        key=key, resource=resource, before=before, after=after, generation=generation, outcome=outcome, at=at
    )


class Ledger:
    """One SQLite file; synchronous, safe to call from any thread, one caller at a time.

    Raises ``sqlite3.OperationalError`` when the disk is full or another process holds the file for over five seconds;
    then nothing was written.
    """

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self.connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")
        with self.transaction():
            for statement in filter(str.strip, SCHEMA.split(";")):
                self.connection.execute(statement)

    def close(self) -> None:
        with self._lock:
            self.connection.close()

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection, None, None]:
        """All or nothing, durable at the end. One inside another (same thread) is a savepoint of the outer one."""
        with self._lock:
            savepoint = f"depth_{self._depth}"
            self.connection.execute(f"SAVEPOINT {savepoint}" if self._depth else "BEGIN IMMEDIATE")
            outermost, self._depth = not self._depth, self._depth + 1
            try:
                yield self.connection
                self.connection.execute("COMMIT" if outermost else f"RELEASE {savepoint}")
            except BaseException:
                if outermost and self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                elif self.connection.in_transaction:
                    self.connection.execute(f"ROLLBACK TO {savepoint}")
                    self.connection.execute(f"RELEASE {savepoint}")
                raise
            finally:
                self._depth -= 1

    def read(self, resource: str) -> Snapshot:
        with self._lock:
            query = "SELECT generation, state FROM ledger_resources WHERE resource = ?"
            row = self.connection.execute(query, (resource,)).fetchone()
        return Snapshot(row[0], json.loads(row[1])) if row else Snapshot(0, {})

    def resources(self) -> dict[str, Snapshot]:
        """Every resource that was ever changed, by name."""
        with self._lock:
            query = "SELECT resource, generation, state FROM ledger_resources ORDER BY resource"
            rows = self.connection.execute(query).fetchall()
        return {resource: Snapshot(generation, json.loads(state)) for resource, generation, state in rows}

    def receipts(self) -> tuple[Receipt, ...]:
        """Every receipt of a change or an undoing, oldest first."""
        with self._lock:
            rows = self.connection.execute("SELECT receipt FROM ledger_receipts ORDER BY sequence").fetchall()
        return tuple(Receipt.of_any_build(row[0]) for row in rows)

    def receipts_of(self, incident: str) -> tuple[Receipt, ...]:
        """Every receipt of the incident's changes and their undoing, oldest first. Raises :class:`KeyMisused`."""
        query = "SELECT receipt FROM ledger_receipts WHERE key >= ? AND key < ? ORDER BY sequence"
        _check_incident(incident)
        with self._lock:
            rows = self.connection.execute(query, (f"{incident}:", f"{incident};")).fetchall()  # ; comes after :
        return tuple(Receipt.of_any_build(row[0]) for row in rows)

    def fence(self, incident: str, now: datetime) -> datetime:
        """Refuse every new change of the incident from now on; when it was fenced first. Raises :class:`KeyMisused`."""
        _check_incident(incident)
        with self.transaction():
            first = self.fenced_at(incident)
            if first is None:
                self.connection.execute("INSERT INTO ledger_fences VALUES (?, ?)", (incident, now.isoformat()))
        return first or now

    def fenced_at(self, incident: str) -> datetime | None:
        """When the incident was fenced; None while it may change something."""
        with self._lock:
            query = "SELECT at FROM ledger_fences WHERE incident = ?"
            row = self.connection.execute(query, (incident,)).fetchone()
        return datetime.fromisoformat(row[0]) if row else None

    def require_unfenced(self, incident: str) -> None:
        """Raises :class:`Fenced`."""
        if self.fenced_at(incident):
            raise Fenced(
                f"incident {incident} was ended from outside (undone, or begun again), so it changes nothing any more; "
                "what it had changed can still be undone"
            )

    def receipt(self, key: str) -> Receipt | None:
        """The receipt that was given for *key*, be it of a change or of an undoing."""
        with self._lock:
            row = self.connection.execute("SELECT receipt FROM ledger_receipts WHERE key = ?", (key,)).fetchone()
        return Receipt.of_any_build(row[0]) if row else None

    def standing_change(self, resource: str, field: str) -> Receipt | None:
        """The newest change of *field* that was not taken back; None where there is none."""
        query = "SELECT receipt FROM ledger_receipts WHERE resource = ? ORDER BY sequence DESC"
        with self._lock:
            rows = self.connection.execute(query, (resource,)).fetchall()
        receipts = [Receipt.of_any_build(row[0]) for row in rows]
        restored = {receipt.key for receipt in receipts if receipt.outcome is Outcome.RESTORED}
        changes = (r for r in receipts if r.outcome is Outcome.APPLIED and field in r.after)
        return next((r for r in changes if str(Key.parse(r.key).undo()) not in restored), None)

    def change(
        self,
        key: str,
        resource: str,
        fields: Fields,
        expected: int | None,
        now: datetime,
        beside: Beside = nothing,
    ) -> Receipt | Conflict:
        """Make *fields* so, if the generation is still *expected* (None: whatever it is).

        A repeat of *key* returns the first receipt, be the change still in effect or not: whoever repeats it looks at
        the world afterwards. Raises :class:`Fenced`, :class:`KeyMisused`.
        """
        undo_key = _undo_key(key)
        with self.transaction():
            if first := self._own(key, resource):
                return first
            if self._own(undo_key, resource):
                raise Fenced(f"{key} was taken back before it came, so {resource} stays as it is; make a new attempt")
            self.require_unfenced(Key.parse(key).incident)
            snapshot = self.read(resource)
            if expected is not None and expected != snapshot.generation:
                return Conflict(
                    resource=resource, expected=expected, generation=snapshot.generation, state=snapshot.state
                )
            receipt = self._write(applied(key, resource, snapshot, fields, now), snapshot)
            beside(receipt)
        fault_points.reached("receipt is durable", key)
        return receipt

    def undo(self, key: str, resource: str, now: datetime, beside: Beside = nothing) -> Receipt:
        """Take back the change that *key* (of the *do*) made, as far as it is still ours; fence a key that never came.

        A repeat returns the first undoing's receipt. Raises :class:`KeyMisused`.
        """
        undo_key = _undo_key(key)
        with self.transaction():
            if first := self._own(undo_key, resource):
                return first
            snapshot, do = self.read(resource), self._own(key, resource)
            later = self._later(do) if do else ()
            receipt = self._write(undone(undo_key, resource, snapshot, do, later, now), snapshot)
            beside(receipt)
        fault_points.reached("receipt is durable", undo_key)
        return receipt

    def _later(self, receipt: Receipt) -> tuple[Receipt, ...]:
        """Every receipt of its resource that was given after it."""
        query = (
            "SELECT receipt FROM ledger_receipts WHERE resource = ?"
            " AND sequence > (SELECT sequence FROM ledger_receipts WHERE key = ?) ORDER BY sequence"
        )
        rows = self.connection.execute(query, (receipt.resource, receipt.key)).fetchall()
        return tuple(Receipt.of_any_build(row[0]) for row in rows)

    def _own(self, key: str, resource: str) -> Receipt | None:
        receipt = self.receipt(key)
        if receipt and receipt.resource != resource:
            raise KeyMisused(f"{key} belongs to {receipt.resource}, not to {resource}; every change has its own key")
        return receipt

    def _write(self, receipt: Receipt, snapshot: Snapshot) -> Receipt:
        self.connection.execute(
            "INSERT INTO ledger_receipts (key, resource, receipt) VALUES (?, ?, ?)",
            (receipt.key, receipt.resource, receipt.model_dump_json()),
        )
        if receipt.generation > snapshot.generation:
            self.connection.execute(
                "INSERT INTO ledger_resources VALUES (?, ?, ?) ON CONFLICT (resource)"
                " DO UPDATE SET generation = excluded.generation, state = excluded.state",
                (receipt.resource, receipt.generation, _text(merged(snapshot.state, receipt.after))),
            )
        fault_points.reached("receipt is written", receipt.key)
        return receipt


def _undo_key(key: str) -> str:
    try:
        parsed = Key.parse(key)
    except ValueError as error:
        raise KeyMisused(f"{key!r} is not an idempotency key: {error}") from None
    if parsed.action != "do":
        raise KeyMisused(f"{key} is the key of an undoing; give the key of the change itself")
    return str(parsed.undo())


def _check_incident(incident: str) -> None:
    if not incident or ":" in incident:
        raise KeyMisused(
            f"{incident!r} is no incident: it is what the keys of its changes begin with, and has no colon"
        )


def _text(value: Fields) -> str:
    return json.dumps(value, sort_keys=True)
