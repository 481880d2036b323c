"""What an incident has changed, what of it is still in effect, and the order in which it is taken back. Pure.

The order within a control plane is that of its ledger; between control planes it is that of their clocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from activities.platform.fields import FROZEN
from models.base import SternwayError
from models.identity import Key
from models.receipt import Outcome, Receipt, Value

Standing = Literal["in-effect", "undone", "superseded"]


class NotByItself(SternwayError):
    """The step cannot be taken back alone: the incident has no such step, or what came after it may rely on it."""


@dataclass(frozen=True)
class Effect:
    """One change of an incident, and the undoing of it, if there was one."""

    plane: str
    """Name of the control plane that has it."""
    change: Receipt
    undoing: Receipt | None = None

    @property
    def standing(self) -> Standing:
        """*superseded*: it was to be undone, and somebody else had changed it since; it is theirs now."""
        if self.undoing is None:
            return "in-effect"
        return "undone" if self.undoing.outcome is Outcome.RESTORED else "superseded"

    @property
    def step(self) -> str:
        """The step's id, as workflows report it."""
        return Key.parse(self.change.key).step

    def describe(self) -> str:
        """Where, and what undoing it makes of the fields: ``payments: weight/v1 100 -> 0``."""
        fields = (
            f"{name} {shown(self.change.after[name])} -> {shown(self.change.before[name])}"
            for name in self.change.after
        )
        return f"{self.change.resource}: {', '.join(fields)}"


@dataclass(frozen=True)
class WayBack:
    """What is to be done to have everything as it was before the incident."""

    steps: tuple[Effect, ...]
    """To take back, in this order. One that is undone already is among them where its replicas may not be ready yet and
    something below it is still in effect."""
    blocked: Effect | None
    """A change that somebody else has written over: what was changed before it may carry what is in place now."""
    left: tuple[Effect, ...]
    """Still in effect, and not taken back because of that."""


def left_behind(found: Sequence[Effect]) -> str:
    """What of *found* is still in effect, as one sentence's part for people."""
    standing = [effect for effect in found if effect.standing == "in-effect"]
    if not standing:
        return "nothing that it changed is in effect"
    changes = "; ".join(_done(effect) for effect in reversed(standing))
    return f"still in effect: {changes}"


def _done(effect: Effect) -> str:
    change = effect.change
    fields = (f"{name} {shown(change.before[name])} -> {shown(value)}" for name, value in change.after.items())
    return f"{change.resource}: {', '.join(fields)}"


def shown(value: Value) -> str:
    """A field's value, for people."""
    return "absent" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def effects(ledgers: Mapping[str, Sequence[Receipt]]) -> tuple[Effect, ...]:
    """Every change of one incident, the last first.

    *ledgers*: by control plane, all receipts of the incident, oldest first.
    """
    waiting = {plane: _of_plane(plane, receipts) for plane, receipts in ledgers.items()}
    ordered: list[Effect] = []
    while any(waiting.values()):
        plane = max((plane for plane in waiting if waiting[plane]), key=lambda plane: _age(waiting[plane][-1]))
        ordered.append(waiting[plane].pop())
    return tuple(ordered)


def way_back(found: Sequence[Effect]) -> WayBack:
    """What of *found*, the last first, is to be taken back."""
    blocked = next((position for position, effect in enumerate(found) if effect.standing == "superseded"), None)
    free = found if blocked is None else found[:blocked]
    last = max((position for position, effect in enumerate(free) if effect.standing == "in-effect"), default=-1)
    below = () if blocked is None else tuple(e for e in found[blocked:] if e.standing == "in-effect")
    return WayBack(tuple(free[: last + 1]), found[blocked] if blocked is not None and below else None, below)


def of_step(found: Sequence[Effect], step: str) -> tuple[Effect, ...]:
    """The changes of one step, of each attempt."""
    return tuple(effect for effect in found if effect.step == step)


def step_back(found: Sequence[Effect], step: str) -> WayBack:
    """What of *found*, the last first, is to be taken back of one step alone. Raises :class:`NotByItself`."""
    if not of_step(found, step):
        known = ", ".join(dict.fromkeys(effect.step for effect in found)) or "nothing"
        raise NotByItself(f"the incident has changed nothing in a step {step}, so nothing was done; it has {known}")
    steps = tuple(effect for effect in of_step(found, step) if effect.standing == "in-effect")
    for effect in steps:
        later = (one for one in found[: found.index(effect)] if one.step != step and one.standing != "undone")
        if relying := ", ".join(one.step for one in later if _may_rely(one, effect)):
            raise NotByItself(
                f"what was changed after {step} may rely on it, so nothing was done: take {relying} back first, or "
                "leave out --step to have everything taken back in its order"
            )
    return WayBack(steps, None, ())


def _may_rely(later: Effect, earlier: Effect) -> bool:
    """Serving and deploying have nothing to do with each other: what serves may rely on all that was changed for it
    before, a freeze only carries another one of the same service."""
    if earlier.change.after.keys() == {FROZEN}:
        return FROZEN in later.change.after and later.change.resource == earlier.change.resource
    return later.change.after.keys() != {FROZEN}


def _of_plane(plane: str, receipts: Sequence[Receipt]) -> list[Effect]:
    by_key = {receipt.key: receipt for receipt in receipts}
    changes = [receipt for receipt in receipts if receipt.outcome is Outcome.APPLIED]
    return [Effect(plane, change, by_key.get(str(Key.parse(change.key).undo()))) for change in changes]


def _age(effect: Effect) -> tuple[object, ...]:
    return effect.change.at, effect.change.generation, effect.plane
