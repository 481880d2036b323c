"""The annotations in which the objects themselves carry what was done to them. Pure.

``sternway/receipts`` of a Deployment or HorizontalPodAutoscaler: the records of the changes that touched it, and of
their undoing, oldest first. ``sternway/fences`` of a Deployment: the incidents that change nothing any more.

Kubernetes allows 256 KiB for all annotations of an object. Receipts take up to :data:`ROOM`, and those of the last
:data:`KEPT` are never dropped. Where there is no room for another, the oldest incident whose newest receipt on this
object is older goes, with all of its receipts here: ``sternway undo`` finds what an incident did to an object whole or
not at all. If there is none, a change is refused; undoing may go on, into as much room again. A fence takes 60 bytes on
each Deployment and is never dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from pydantic import TypeAdapter, ValidationError

from activities.driver import Refused
from activities.platform.drivers.kubernetes.objects import Deployment, Service, Thing, Values, named
from models.base import Frozen, Time
from models.identity import Key
from models.receipt import Outcome, Receipt

RECEIPTS: Final = "sternway/receipts"
FENCES: Final = "sternway/fences"

ROOM: Final = 64 * 1024
"""Bytes of receipts on one object."""
KEPT: Final = timedelta(days=30)


class Record(Frozen):
    """A receipt, and the part of it that is this object's."""

    receipt: Receipt
    things: tuple[str, ...]
    """All objects that get this receipt, as ``Kind/name``."""
    was: Values
    """What undoing puts back: what the object wanted before, of what was written. A restart is not among it."""
    now: Values
    """What was written. Empty: only this record, so that a late call finds it."""


Records = tuple[Record, ...]
_RECORDS = TypeAdapter(Records)
_FENCES = TypeAdapter(dict[str, Time])


def records(thing: Thing) -> Records:
    """Oldest first. Raises :class:`~activities.driver.Refused` where somebody has spoilt them."""
    try:
        return _RECORDS.validate_json(thing.metadata.annotations.get(RECEIPTS, "[]"), extra="ignore")
    except ValidationError as error:
        raise Refused(_spoilt(thing, RECEIPTS)) from error


def fences(deployment: Deployment) -> dict[str, datetime]:
    """When each incident was fenced. Raises :class:`~activities.driver.Refused` where somebody has spoilt them."""
    try:
        return _FENCES.validate_json(deployment.metadata.annotations.get(FENCES, "{}"))
    except ValidationError as error:
        raise Refused(_spoilt(deployment, FENCES)) from error


def generation(seen: Service) -> int:
    """What a change may expect: the sum of the Deployments' generations, without the fences.

    Each write of a Deployment's spec or annotations adds 1 to its own, whoever writes; a status does not. A fence is
    such a write too, but it says nothing about the service: nobody's plan is out of date by it.
    """
    return sum(deployment.metadata.generation - len(fences(deployment)) for deployment in seen.deployments)


def fences_text(fenced: Mapping[str, datetime]) -> str:
    """What :func:`fences` reads."""
    return _FENCES.dump_json(dict(fenced)).decode()


def _spoilt(thing: Thing, annotation: str) -> str:
    return (
        f"the annotation {annotation} of {named(thing)} cannot be read, so nobody knows what was done to it; put it "
        "back from a backup, or remove it if nothing of it is to be undone"
    )


def record_of(thing: Thing, key: Key) -> Record | None:
    return next((record for record in records(thing) if record.receipt.key == str(key)), None)


def receipt_of(seen: Service, key: Key) -> Receipt | None:
    """The receipt that was given for *key*; also while only a part of its objects has it."""
    return next((record.receipt for thing in seen.things if (record := record_of(thing, key))), None)


def undoing_of(seen: Service, key: Key) -> Receipt | None:
    """The receipt of taking *key* back; also while only a part of its objects has it.

    That it never happened counts while no object has it: this is written on one Deployment after the other, and a late
    call may come to one that was not reached yet. Then there is something to take back, and it is.
    """
    happened = receipt_of(seen, key) is not None
    found = (record.receipt for thing in seen.things if (record := record_of(thing, key.undo())))
    return next((one for one in found if not (happened and one.outcome is Outcome.NEVER_HAPPENED)), None)


def fenced(seen: Service, incident: str) -> bool:
    return any(incident in fences(deployment) for deployment in seen.deployments)


def found_paused(deployment: Deployment, incident: str) -> bool:
    """Whether the incident froze it, and somebody else had paused it before."""
    ours = [one for one in records(deployment) if _incident(one) == incident and one.now.get("/spec/paused")]
    standing = [one for one in ours if not record_of(deployment, Key.parse(one.receipt.key).undo())]
    return bool(standing and standing[0].was["/spec/paused"])


def judged(things: Iterable[Thing], receipt: Receipt) -> Receipt:
    """What all objects make of it: an undoing has not restored everything where it left one of them alone, because
    somebody wrote it after the undoing had begun elsewhere."""
    if receipt.outcome is not Outcome.RESTORED:
        return receipt
    undone = Key.parse(receipt.key)
    pairs = ((record_of(thing, undone.done()), record_of(thing, undone)) for thing in things)
    left = any(do and undoing and do.was and not undoing.now for do, undoing in pairs)
    return receipt.model_copy(update={"outcome": Outcome.SUPERSEDED}) if left else receipt


def next_time(seen: Service, now: datetime) -> datetime:
    """*now*, or a moment after the latest receipt of the service: the clocks of those who write need not agree, and
    the order of the receipts is that of their times."""
    latest = [record.receipt.at for thing in seen.things for record in records(thing)]
    return max([now, *(at + timedelta(microseconds=1) for at in latest)])


def receipts_of(given: Iterable[Thing], incident: str) -> tuple[Receipt, ...]:
    """Oldest first. An undoing counts once all objects that there still are have its receipt: until then somebody has
    to finish it. That a change never happened counts as in :func:`undoing_of`, that it was taken back as in
    :func:`judged`."""
    things = tuple(given)
    carried = {named(thing): {record.receipt.key: record for record in records(thing)} for thing in things}
    kept = [one for by_key in carried.values() for one in by_key.values() if _incident(one) == incident]
    happened = {str(Key.parse(one.receipt.key).undo()) for one in kept if one.receipt.outcome is Outcome.APPLIED}
    found = {
        one.receipt.key: one
        for one in kept
        if not (one.receipt.outcome is Outcome.NEVER_HAPPENED and one.receipt.key in happened)
    }
    whole = (
        judged(things, record.receipt)
        for key, record in found.items()
        if record.receipt.outcome is Outcome.APPLIED or all(key in carried.get(thing, {key}) for thing in record.things)
    )
    return tuple(sorted(whole, key=lambda receipt: receipt.at))


def with_record(thing: Thing, record: Record) -> str:
    """The annotation with *record*. Raises :class:`~activities.driver.Refused` where there is no room."""
    kept, undoing = records(thing), record.receipt.outcome is not Outcome.APPLIED
    while len(text := _RECORDS.dump_json((*kept, record))) > ROOM:
        newest = {_incident(one): one.receipt.at for one in kept}
        oldest = min(newest, key=lambda incident: newest[incident], default=None)
        if oldest is None or newest[oldest] > record.receipt.at - KEPT:
            if undoing:
                break
            raise Refused(
                f"{named(thing)} has no room for another receipt: those of the last {KEPT.days} days fill "
                f"{ROOM // 1024} KiB of its annotation {RECEIPTS}; look at what changes it that often"
            )
        kept = tuple(one for one in kept if _incident(one) != oldest)
    return text.decode()


def _incident(record: Record) -> str:
    return Key.parse(record.receipt.key).incident
