"""Hash chains, as pure functions: how a link is made, and where a chain is broken.

A link's hash covers its own fields and the hash before it, so that altering, dropping, inserting or moving any link but
the last breaks the chain there; that the last ones are missing is told by an anchor of the head. The payload is covered
through a salted digest: it can be erased together with its salt, after which nothing can be guessed from the digest.
Fields are hashed as one JSON array, in which no field can pass for the end of another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic_core import to_jsonable_python

from models.journal import JournalEntry

GENESIS = "0" * 64
"""The hash before the first link."""


@dataclass(frozen=True)
class Link:
    """One event of an incident's chain. Hashes and digests are SHA-256 in hexadecimal, the salt is hexadecimal."""

    incident: str
    seq: int
    source: str
    source_seq: int
    kind: str
    at: datetime
    payload: str | None
    salt: str | None
    payload_digest: str
    previous_hash: str
    hash: str


@dataclass(frozen=True)
class Anchor:
    """One link of the chain of heads."""

    seq: int
    incident: str
    head_seq: int
    head_hash: str
    at: datetime
    previous_hash: str
    hash: str


@dataclass(frozen=True)
class Head:
    """The last link: what the next one continues."""

    seq: int = 0
    hash: str = GENESIS


@dataclass(frozen=True)
class Break:
    seq: int
    """The first link that does not fit."""
    reason: str


def canonical(value: object) -> str:
    """The one JSON text of *value*: sorted keys, no blanks, ASCII."""
    return json.dumps(to_jsonable_python(value), sort_keys=True, separators=(",", ":"))


def payload_digest(salt: str, payload: str) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + payload.encode()).hexdigest()


def extend(head: Head, entries: Sequence[JournalEntry], salts: Sequence[str]) -> list[Link]:
    """The links that continue one incident's chain after *head*, with one salt (16 random bytes) for each entry."""
    links: list[Link] = []
    for entry, salt in zip(entries, salts, strict=True):
        payload = canonical(entry.payload)
        digest = payload_digest(salt, payload)
        seq = head.seq + 1
        hashed = _event_hash(
            head.hash, entry.incident, seq, entry.source, entry.source_seq, entry.kind, entry.at, digest
        )
        links.append(
            Link(
                incident=entry.incident,
                seq=seq,
                source=entry.source,
                source_seq=entry.source_seq,
                kind=entry.kind,
                at=entry.at,
                payload=payload,
                salt=salt,
                payload_digest=digest,
                previous_hash=head.hash,
                hash=hashed,
            )
        )
        head = Head(seq, hashed)
    return links


def anchor(head: Head, incident: str, anchored: Head, at: datetime) -> Anchor:
    """The link that adds *incident*'s head to the chain of heads after *head*."""
    seq = head.seq + 1
    hashed = _anchor_hash(head.hash, seq, incident, anchored.seq, anchored.hash, at)
    return Anchor(seq, incident, anchored.seq, anchored.hash, at, head.hash, hashed)


def first_break(incident: str, links: Iterable[Link]) -> Break | None:
    """Where one incident's chain, in the order of its sequence numbers, stops being what was written."""
    head = Head()
    for link in links:
        reason = _fault(incident, head, link)
        if reason:
            return Break(link.seq, reason)
        head = Head(link.seq, link.hash)
    return None


def first_anchor_break(anchors: Iterable[Anchor]) -> Break | None:
    """Where the chain of heads stops being what was written."""
    head = Head()
    for link in anchors:
        if link.seq != head.seq + 1:
            return Break(link.seq, f"anchor {head.seq + 1} is missing")
        hashed = _anchor_hash(head.hash, link.seq, link.incident, link.head_seq, link.head_hash, link.at)
        if link.previous_hash != head.hash or link.hash != hashed:
            return Break(link.seq, "the anchor was altered")
        head = Head(link.seq, link.hash)
    return None


def _fault(incident: str, head: Head, link: Link) -> str | None:
    if link.seq != head.seq + 1:
        return f"event {head.seq + 1} is missing"
    if link.previous_hash != head.hash:
        return "it does not continue the event before it"
    if (link.payload is None) != (link.salt is None):
        return "payload and salt are not erased together"
    if link.payload is not None and link.salt is not None and not _covers(link.payload_digest, link.salt, link.payload):
        return "the payload was altered"
    hashed = _event_hash(
        head.hash, incident, link.seq, link.source, link.source_seq, link.kind, link.at, link.payload_digest
    )
    return None if link.incident == incident and link.hash == hashed else "the event was altered"


def _covers(digest: str, salt: str, payload: str) -> bool:
    try:
        return payload_digest(salt, payload) == digest
    except ValueError:  # the salt is no longer hexadecimal
        return False


def _event_hash(previous: str, *fields: str | int | datetime) -> str:
    return _hash("event", previous, *fields)


def _anchor_hash(previous: str, *fields: str | int | datetime) -> str:
    return _hash("anchor", previous, *fields)


def _hash(*fields: str | int | datetime) -> str:
    values = [_instant(field) if isinstance(field, datetime) else field for field in fields]
    return hashlib.sha256(canonical(values).encode()).hexdigest()


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
