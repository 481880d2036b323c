"""What to write, decided from what was read. Pure.

Each function is asked again after its writes, or after somebody else's, until it has its answer: so a change answers
with the receipt that it finds, the first time as every other time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from activities.driver import Moved, Refused
from activities.platform.drivers.kubernetes.homes import Home, generation, require_holdable, state_of
from activities.platform.drivers.kubernetes.ledger import Ledger, with_room
from models.identity import Key
from models.receipt import Conflict, Fence, Fields, Outcome, Receipt


@dataclass(frozen=True)
class Write:
    """Of one object, guarded by its resourceVersion."""

    home: Home
    ledger: Ledger
    fields: Fields


Writes = tuple[Write, ...]


def change(
    homes: Sequence[Home], key: Key, resource: str, fields: Fields, expected: int | None, now: datetime
) -> Receipt | Writes:
    """Raises ``Refused``, ``Moved``."""
    if done := _done(homes, key, resource):
        return done[1]
    if any(home.ledger.receipt(key.undo()) for home in homes):
        raise Refused(f"{key} was taken back before it came, so {resource} stays as it is; make a new attempt")
    if any(key.incident in home.ledger.fences for home in homes):
        raise Refused(
            f"incident {key.incident} was ended from outside (undone, or begun again), so it changes nothing any more; "
            "what it had changed can still be undone"
        )
    home = _home(homes, resource, fields)
    at_generation = generation(homes)
    if expected is not None and expected != at_generation:
        conflict = Conflict(resource=resource, expected=expected, generation=at_generation, state=state_of(homes))
        raise Moved(conflict)
    _require_lasting(homes, home, fields)
    receipt = Receipt(
        key=str(key),
        resource=resource,
        before={name: home.state[name] for name in fields},
        after=dict(fields),
        generation=generation(homes, {home.meta.uid: fields}),
        outcome=Outcome.APPLIED,
        at=_next(homes, now),
    )
    return (Write(home, with_room(home.ledger, home.name, now).with_receipt(receipt), fields),)


def undo(homes: Sequence[Home], key: Key, resource: str, now: datetime) -> Receipt | Writes:
    """Raises ``Refused``."""
    done = _done(homes, key, resource)
    if done is None:
        return _never(homes, key, resource, now)
    home, do = done
    if undone := home.ledger.receipt(key.undo()):
        return undone
    current: Fields = {name: home.state.get(name) for name in do.after}
    ours = current == do.after
    fields = do.before if ours else {}
    receipt = Receipt(
        key=str(key.undo()),
        resource=resource,
        before=current,
        after=do.before if ours else current,
        generation=generation(homes, {home.meta.uid: fields}),
        outcome=Outcome.RESTORED if ours else Outcome.SUPERSEDED,
        at=_next(homes, now),
    )
    return (Write(home, home.ledger.with_receipt(receipt), fields),)


def fence(homes: Sequence[Home], incident: str, now: datetime) -> Fence | Writes:
    """Every object has to be written: only so does a change lose that has read it before and is still on its way."""
    first = min((home.ledger.fences[incident] for home in homes if incident in home.ledger.fences), default=now)
    missing = (home for home in homes if incident not in home.ledger.fences)
    writes = tuple(Write(home, home.ledger.with_fence(incident, first), {}) for home in missing)
    return writes or Fence(incident=incident, at=first)


def receipts(homes: Sequence[Home], incident: str) -> tuple[Receipt, ...]:
    """Of the incident, oldest first. Where a change was made, only what is written beside it says what became of it."""
    found: dict[str, Receipt] = {}
    for home in homes:
        for receipt in home.ledger.receipts:
            key = Key.parse(receipt.key)
            done = _at(homes, key.model_copy(update={"action": "do"}))
            if key.incident == incident and (done is None or done[0] is home):
                first = found.get(receipt.key, receipt)
                found[receipt.key] = min(first, receipt, key=lambda one: one.at)
    return tuple(sorted(found.values(), key=lambda receipt: receipt.at))


def _never(homes: Sequence[Home], key: Key, resource: str, now: datetime) -> Receipt | Writes:
    """Nobody knows where a change would come that has not come: like a fence, its undoing is written everywhere."""
    known = [receipt for home in homes if (receipt := home.ledger.receipt(key.undo()))]
    first = min(known, key=lambda receipt: receipt.at, default=None) or Receipt(
        key=str(key.undo()),
        resource=resource,
        before={},
        after={},
        generation=generation(homes),
        outcome=Outcome.NEVER_HAPPENED,
        at=_next(homes, now),
    )
    missing = (home for home in homes if not home.ledger.receipt(key.undo()))
    return tuple(Write(home, home.ledger.with_receipt(first), {}) for home in missing) or first


def _at(homes: Sequence[Home], key: Key) -> tuple[Home, Receipt] | None:
    """Where the change was made. A Deployment made from a copy of another's manifest has the other's receipts too."""
    found = [(home, receipt) for home in homes if (receipt := home.ledger.receipt(key))]
    return next((one for one in found if one[1].after.keys() <= one[0].state.keys()), next(iter(found), None))


def _done(homes: Sequence[Home], key: Key, resource: str) -> tuple[Home, Receipt] | None:
    if key.action != "do":
        raise Refused(f"{key} is the key of an undoing; give the key of the change itself")
    done = _at(homes, key)
    if done and done[1].resource != resource:
        raise Refused(f"{key} belongs to {done[1].resource}, not to {resource}; every change has its own key")
    return done


def _home(homes: Sequence[Home], resource: str, fields: Fields) -> Home:
    """The object that all of *fields* live in."""
    for name in fields:
        if name not in state_of(homes):
            raise Refused(f"{resource} has no {name}: {_why_absent(homes, name)}")
    there = [home for home in homes if home.state.keys() & fields.keys()]
    if len(there) > 1:
        raise Refused(
            f"{', '.join(fields)} of {resource} live in {' and '.join(home.name for home in there)}, and Kubernetes "
            "has no write over two objects; make a change for each"
        )
    return there[0]


def _why_absent(homes: Sequence[Home], name: str) -> str:
    release = name.partition("/")[2]
    releases = sorted({home.release for home in homes})
    if release in releases:
        return "nobody is there who would have to be held off"
    for home in homes:
        if any(event.release == release for event in home.history):
            return (
                f"{release} is an earlier revision of {home.name} and no Deployment of its own, so it cannot serve "
                f"beside {home.release}; deploy each release as a Deployment of its own, or use kubectl rollout undo"
            )
    return f"there is no Deployment of {release}; there are {', '.join(releases)}"


def _require_lasting(homes: Sequence[Home], home: Home, fields: Fields) -> None:
    """Raises ``Refused`` where somebody would set the fields back, before anything is changed."""
    release = home.release
    wanted = fields.get(f"replicas/{release}")
    if not isinstance(wanted, int):
        require_holdable(home)  # it is about holding somebody off
        return
    if home.state.get(f"synced/{release}") is True:
        require_holdable(home)
        raise Refused(f"Flux sets {home.name} back; make synced/{release} false first")
    scalers = [one for one in homes if one.bounds and one.release == release]
    if len(scalers) > 1:
        raise Refused(f"{' and '.join(one.name for one in scalers)} both scale {home.name}; remove one of them")
    for scaler in scalers if wanted else ():  # at 0 an autoscaler does nothing
        if scaler.state[f"autoscaled/{release}"] is True:
            raise Refused(f"{scaler.name} scales {home.name}; make autoscaled/{release} false first")
        if scaler.bounds and wanted not in scaler.bounds:
            within = f"{scaler.bounds.start} to {scaler.bounds.stop - 1}"
            raise Refused(
                f"{scaler.name} keeps {home.name} at {within} replicas, also while it is held; not at {wanted}"
            )


def _next(homes: Sequence[Home], now: datetime) -> datetime:
    """*now*, or just after the service's last receipt: the order holds also where two clocks differ."""
    last = max((receipt.at for home in homes for receipt in home.ledger.receipts), default=None)
    return max(now, last + timedelta(microseconds=1)) if last else now
