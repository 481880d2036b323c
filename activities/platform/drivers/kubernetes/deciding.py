"""What to write next, so that a change or its undoing is made: looked at anew after every write. Pure.

Kubernetes writes one object at a time. The first write of a change is that of a Deployment, and carries the whole
receipt; where the change touches other objects as well, each gets the same receipt with its own part. Whoever finds a
receipt that some of them lack goes on from there, be it a repeat of a call whose caller died or another caller of the
same key. So a change of several objects is durable with the first of them, and whole as soon as its call is answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from activities.driver import Moved, Refused
from activities.platform.drivers.kubernetes import records
from activities.platform.drivers.kubernetes.gitops import reconciled_by
from activities.platform.drivers.kubernetes.objects import (
    RESTART,
    Autoscaler,
    Deployment,
    Service,
    Thing,
    Values,
    named,
)
from activities.platform.drivers.kubernetes.records import Record, record_of
from activities.platform.fields import FROZEN, REPLICAS, RESTARTED
from models.identity import Key
from models.receipt import Conflict, Fields, Outcome, Receipt
from models.standing import taken_over


@dataclass(frozen=True)
class Write:
    """To be made only if *thing* is still as it was read."""

    thing: Thing
    values: Values
    annotation: str
    text: str


def change(seen: Service, key: Key, fields: Fields, expected: int | None, at: datetime) -> Receipt | Write:
    """The next write of the change, or its receipt once it is made. Raises ``Moved``, ``Refused``."""
    first = records.receipt_of(seen, key)
    ended = records.fenced(seen, key.incident)
    if first is None:
        return _begin(seen, key, fields, expected, at, ended)
    if not ended and not records.receipt_of(seen, key.undo()):
        things = next(record.things for thing in seen.things if (record := record_of(thing, key)))
        for thing, values in _parts(seen, key, first.after):
            if named(thing) in things and not record_of(thing, key):
                return _write(thing, first, things, values if _as_before(thing, first) else {})
    return first


def _begin(seen: Service, key: Key, fields: Fields, expected: int | None, at: datetime, ended: bool) -> Receipt | Write:
    if records.receipt_of(seen, key.undo()):
        raise Refused(f"{key} was taken back before it came, so {seen.resource} stays as it is; make a new attempt")
    if ended:
        raise Refused(
            f"incident {key.incident} was ended from outside (undone, or begun again), so it changes nothing any more; "
            "what it had changed can still be undone"
        )
    state = seen.state
    releases = {deployment.release for deployment in seen.deployments}
    missing = [name for name in fields if name != FROZEN and name.partition("/")[2] not in releases]
    if missing:
        raise Refused(f"{seen.resource} has no Deployment for {', '.join(missing)}; deploy the release first")
    generation = records.generation(seen)
    if expected is not None and expected != generation:
        raise Moved(Conflict(resource=seen.resource, expected=expected, generation=generation, state=state))
    parts = tuple(_parts(seen, key, fields))
    for thing, values in parts:
        if reason := reconciled_by(thing):
            raise Refused(reason)
        if RESTART in values and thing.values["/spec/paused"]:
            raise Refused(f"{named(thing)} is paused and rolls nothing out, so none of its replicas can be replaced")
    receipt = Receipt(
        key=str(key),
        resource=seen.resource,
        before={name: state.get(name) for name in fields},
        after=dict(fields),
        generation=generation + sum(isinstance(thing, Deployment) for thing, _ in parts),
        outcome=Outcome.APPLIED,
        at=records.next_time(seen, at),
    )
    return _write(parts[0][0], receipt, tuple(named(thing) for thing, _ in parts), parts[0][1])


def _parts(seen: Service, key: Key, fields: Fields) -> Iterator[tuple[Thing, Values]]:
    """The objects that *fields* are about, and what each should want.

    A thaw gives each Deployment back what the same incident's freeze found: one that somebody had paused stays so, as
    resuming it would roll out what they hold back.
    """
    for deployment in seen.deployments:
        values: Values = {}
        if f"{REPLICAS}{deployment.release}" in fields:
            values["/spec/replicas"] = fields[f"{REPLICAS}{deployment.release}"]
        if f"{RESTARTED}{deployment.release}" in fields:
            values[RESTART] = fields[f"{RESTARTED}{deployment.release}"]
        if FROZEN in fields:
            values["/spec/paused"] = bool(fields[FROZEN]) or records.found_paused(deployment, key.incident)
        if values:
            yield deployment, values
    for autoscaler in seen.autoscalers:
        # Without replicas there is nothing to pin: an autoscaler leaves a Deployment alone that wants none.
        if replicas := fields.get(f"{REPLICAS}{_aimed_at(seen, autoscaler).release}"):
            yield autoscaler, {"/spec/minReplicas": replicas, "/spec/maxReplicas": replicas}


def _aimed_at(seen: Service, autoscaler: Autoscaler) -> Deployment:
    return next(one for one in seen.deployments if one.metadata.name == autoscaler.spec.scale_target_ref.name)


def _as_before(thing: Thing, first: Receipt) -> bool:
    """Nobody has scaled it between the first write and this one. If somebody has, theirs is the newer change."""
    if isinstance(thing, Autoscaler):
        return True
    field = f"{REPLICAS}{thing.release}"
    return field not in first.before or first.before[field] == thing.spec.replicas


def undo(seen: Service, key: Key, at: datetime) -> Receipt | Write:
    """The next write of taking *key* (of the *do*) back, or its receipt once that is done. Raises ``Refused``."""
    carried = [record for thing in seen.things if (record := record_of(thing, key))]
    names = carried[0].things if carried else tuple(named(one) for one in seen.deployments)
    receipt = records.undoing_of(seen, key) or _undone(seen, key, carried, at)
    for thing in seen.things:
        if named(thing) in names and not record_of(thing, key.undo()):
            do = record_of(thing, key)
            ours = do is not None and receipt.outcome is Outcome.RESTORED and _ours(thing, do)
            return _write(thing, receipt, names, do.was if do and ours else {})
    return records.judged(seen.things, receipt)


def _undone(seen: Service, key: Key, carried: list[Record], at: datetime) -> Receipt:
    """Restored where all that was written of the change is still ours, else nothing is."""
    do = carried[0].receipt if carried else None
    current: Fields = {name: seen.state.get(name) for name in do.after} if do else {}
    if do is None:
        outcome, touched = Outcome.NEVER_HAPPENED, seen.deployments
    else:
        touched = tuple(one for one in seen.deployments if named(one) in carried[0].things)
        written = [(thing, record) for thing in seen.things if (record := record_of(thing, key))]
        ours = all(_ours(thing, record) and not taken_over(do, _later(thing, do)) for thing, record in written)
        outcome = Outcome.RESTORED if ours else Outcome.SUPERSEDED
    return Receipt(
        key=str(key.undo()),
        resource=seen.resource,
        before=current,
        after=_put_back(do, current) if do and outcome is Outcome.RESTORED else current,
        generation=records.generation(seen) + len(touched),
        outcome=outcome,
        at=records.next_time(seen, at),
    )


def _put_back(do: Receipt, current: Fields) -> Fields:
    """A restart stays as it is: to write its time of before would replace all pods once more."""
    return {name: current[name] if name.startswith(RESTARTED) else value for name, value in do.before.items()}


def _ours(thing: Thing, record: Record) -> bool:
    return record.now.items() <= thing.values.items()


def _later(thing: Thing, do: Receipt) -> tuple[Receipt, ...]:
    """What came to *thing* after it."""
    return tuple(record.receipt for record in records.records(thing) if record.receipt.at > do.at)


def _write(thing: Thing, receipt: Receipt, things: tuple[str, ...], values: Values) -> Write:
    was = {pointer: thing.values[pointer] for pointer in values if pointer != RESTART}
    record = Record(receipt=receipt, things=things, was=was, now=values)
    return Write(thing, values, records.RECEIPTS, records.with_record(thing, record))


def fence(deployment: Deployment, incident: str, at: datetime) -> Write:
    """The write that keeps the incident from changing the Deployment."""
    fenced = {**records.fences(deployment), incident: at}
    return Write(deployment, {}, records.FENCES, records.fences_text(fenced))
