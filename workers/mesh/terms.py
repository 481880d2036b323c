"""Until when each lease is in force, whatever the wall clock does.

While this process lives the monotonic clock decides: a wall clock that is set forward lifts no protection, and one that
is set back prolongs none. Only over a restart the wall clock is asked how much is left, and never believed for more
than the lease was given. A lapse is judged here and needs no disk: a row that cannot be written is written later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from models.lease import Lease
from workers.mesh.rows import Rows


@dataclass(frozen=True)
class Term:
    """A lease that was taken and whose end is not recorded yet."""

    lease: Lease
    newest: str | None
    """The release that was the newest when it was taken."""
    ends: float
    """On the monotonic clock."""


def remaining(expires_at: datetime, seconds: float, now: datetime) -> float:
    """Seconds that a lease still has which was found at a restart, *now* by the wall clock.

    *seconds*: what it was last given. A clock that went back says more than that, and is not believed.
    """
    return min(seconds, max(0.0, (expires_at - now).total_seconds()))


class Terms:
    """The leases that were in force at the start of this process, and those that have been taken since."""

    def __init__(self, rows: Rows, wall: datetime, now: float) -> None:
        """*wall* and *now*: this moment by the wall clock and by the monotonic one, in seconds."""
        self._rows = rows
        self._terms: dict[str, Term] = {}
        for lease, newest, seconds in rows.active_leases():
            left = remaining(lease.expires_at, seconds, wall)
            term = Term(lease, newest, now + left)
            if lease.expires_at > wall + timedelta(seconds=left):
                # Kept, so that the next restart does not begin to count anew.
                term = Term(lease.model_copy(update={"expires_at": wall + timedelta(seconds=left)}), newest, now + left)
                rows.put_lease(term.lease, newest, seconds)
            self._terms[lease.id] = term

    def take(self, lease: Lease, newest: str | None, seconds: float, now: float) -> None:
        """In force for *seconds* from *now*. Durable first."""
        self._rows.put_lease(lease, newest, seconds)
        self._terms[lease.id] = Term(lease, newest, now + seconds)

    def renew(self, lease: Lease, seconds: float, now: float) -> None:
        """In force for *seconds* from *now*. Durable first."""
        self.take(lease, self._terms[lease.id].newest, seconds, now)

    def end(self, lease: Lease) -> None:
        """Released, or lapsed: spent for ever. Durable first."""
        self._rows.put_lease(lease.model_copy(update={"active": False}), None, 0)
        self._terms.pop(lease.id, None)

    def find(self, id: str, now: float) -> Lease | None:
        """The lease, be it in force or spent; None where the id was never used."""
        term = self._terms.get(id)
        if term and term.ends > now:
            return term.lease
        lease = self._rows.lease(id)
        return lease.model_copy(update={"active": False}) if lease else None

    def running(self, now: float) -> list[Term]:
        """Those in force, by id."""
        return [term for _, term in sorted(self._terms.items()) if term.ends > now]

    def over(self, now: float) -> list[Term]:
        """Those that have lapsed, and whose end is to be recorded."""
        return [term for term in self._terms.values() if term.ends <= now]

    @property
    def next_end(self) -> float | None:
        """On the monotonic clock; None where there is none."""
        return min((term.ends for term in self._terms.values()), default=None)
