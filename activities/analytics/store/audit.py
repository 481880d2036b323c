"""Proving that the journal is what was written, and erasing what it may no longer hold.

Whoever can rewrite the whole database can rewrite every chain in it. So note the newest anchor's hash outside: it
covers all incidents that had ended by then.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from sqlalchemy import Connection, RowMapping, select, update

from activities.analytics.store import chain
from activities.analytics.store.engine import Store
from activities.analytics.store.journal import ENDS
from models.base import Frozen
from models.tables import metadata

_events = metadata.tables["events"]
_anchors = metadata.tables["anchors"]


class Broken(Frozen):
    """The first place at which a chain is not what was written."""

    incident: str | None
    """None: the chain of anchors."""
    seq: int
    reason: str

    def __str__(self) -> str:
        if self.incident is None:
            return f"anchor {self.seq}: {self.reason}"
        return f"incident {self.incident}, event {self.seq}: {self.reason}"


class Audit(Frozen):
    incidents: int
    events: int
    anchors: int
    newest_anchor: str
    """Hash of the newest anchor: what to note outside."""
    broken: tuple[Broken, ...]
    """One for each chain that is broken."""


def verify(store: Store, incident: str | None = None) -> Audit:
    """Recompute the chain of one incident, or of all, and the anchors; one moment of the store is looked at."""
    query = select(_events).order_by(_events.c.incident, _events.c.seq)
    if incident is not None:
        query = query.where(_events.c.incident == incident)
    broken: list[Broken] = []
    seen: set[str] = set()
    number = 0
    with store.read() as connection:
        anchors = _read_anchors(connection)
        fault = chain.first_anchor_break(anchors)
        if fault:
            broken.append(Broken(incident=None, seq=fault.seq, reason=fault.reason))
        anchored = _by_incident(anchors)
        rows = connection.execution_options(yield_per=1_000).execute(query).mappings()
        for name, group in groupby(rows, lambda row: str(row["incident"])):
            examined = _Examined(anchored.get(name, {}))
            fault = chain.first_break(name, examined.links(group)) or examined.missing()
            seen.add(name)
            number += examined.number
            if fault:
                broken.append(Broken(incident=name, seq=fault.seq, reason=fault.reason))
    wanted = anchored if incident is None else {incident} & set(anchored)
    broken += [
        Broken(incident=name, seq=1, reason="the whole journal of this incident is missing, and an anchor knows it")
        for name in sorted(set(wanted) - seen)
    ]
    newest = anchors[-1].hash if anchors else chain.GENESIS
    return Audit(incidents=len(seen), events=number, anchors=len(anchors), newest_anchor=newest, broken=tuple(broken))


def erase(store: Store, incident: str) -> int:
    """Erase the payloads of an incident's journal with their salts; returns of how many events. The chain stays whole.

    What the rows of the incident and its steps took from them is not touched.
    """
    holding = update(_events).where(_events.c.incident == incident, _events.c.payload.is_not(None))
    with store.write() as connection:
        return connection.execute(holding.values(payload=None, salt=None)).rowcount


class _Examined:
    """What is learned of one incident's chain while its links pass by."""

    def __init__(self, anchored: dict[int, str]) -> None:
        self._anchored = anchored
        self._altered: chain.Break | None = None
        self._ended_at = 0
        self.number = 0

    def links(self, rows: Iterator[RowMapping]) -> Iterator[chain.Link]:
        for row in rows:
            link = chain.Link(**row)
            self.number += 1
            self._ended_at = link.seq if link.kind in ENDS else self._ended_at
            if self._anchored.get(link.seq, link.hash) != link.hash and self._altered is None:
                self._altered = chain.Break(link.seq, "it is not the event that was anchored")
            yield link

    def missing(self) -> chain.Break | None:
        """What a chain that is whole in itself still lacks: its tail, or the anchor of its end."""
        newest = max(self._anchored, default=0)
        if newest > self.number:
            return chain.Break(self.number + 1, f"the journal was cut off: events up to {newest} were anchored")
        if self._altered is None and self._ended_at > newest:
            return chain.Break(self._ended_at, "the incident has ended, and the anchor of its journal is missing")
        return self._altered


def _read_anchors(connection: Connection) -> list[chain.Anchor]:
    rows = connection.execute(select(_anchors).order_by(_anchors.c.seq)).mappings()
    return [chain.Anchor(**row) for row in rows]


def _by_incident(anchors: list[chain.Anchor]) -> dict[str, dict[int, str]]:
    found: dict[str, dict[int, str]] = {}
    for link in anchors:
        found.setdefault(link.incident, {})[link.head_seq] = link.head_hash
    return found
