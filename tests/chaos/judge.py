"""Whether what a run has left behind is right: a pure function of what was seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from models.identity import Key
from models.receipt import Outcome, Receipt
from tests.chaos.world import Picture

SOMEBODY_ELSE = "somebody else changed it"


@dataclass(frozen=True)
class Seen:
    """Everything that the judgement needs, after the incident has ended and every part is up again."""

    incidents: int
    """How many the alert has opened."""
    phase: str
    expected: str
    """The phase in which it ought to have ended."""
    sentence: str
    holds: tuple[str, ...]
    """Why it was held on its way, each time."""
    before: Picture
    after: Picture
    recovered: Picture
    """What an undisturbed run leaves behind."""
    receipts: dict[str, list[Receipt]]
    """By ledger."""
    moved: dict[str, int]
    """By how much each ledger's generation has moved in all, and *others* what others have moved."""
    others: dict[str, int]
    recorded: tuple[str, ...]
    """The keys of the receipts in the store's journal."""
    leases: int
    """Still active."""
    wishes: int
    """What is still wanted of guards."""
    replicas_ready: dict[str, int]
    processes: int
    """Of the service, as the kernel sees them."""
    replicas_wanted: dict[str, int]
    running: tuple[str, ...]
    """Workflows that still run."""
    broken_chains: tuple[str, ...]
    alert_states: tuple[str, ...]
    unconfirmed: tuple[str, ...]
    """Proxies that do not have what is wanted."""
    answering: frozenset[str]
    """The releases that answer users."""
    serving: frozenset[str]
    """Those that have a share of the traffic."""
    answers_lost: bool
    """So that a receipt may be in a ledger and not in the journal."""
    meddling_stands: bool
    meddled: bool
    """Somebody else has changed something in the middle."""


def wrongs(seen: Seen) -> Iterator[str]:
    """Everything that is wrong with it; nothing if it is right."""
    yield from _identity(seen)
    yield from _final_state(seen)
    yield from _effects_once(seen)
    if seen.leases:
        yield f"{seen.leases} protective leases are still active"
    if seen.wishes:
        yield f"guards are still told {seen.wishes} things"
    if seen.running:
        yield f"still running: {', '.join(seen.running)}"
    yield from seen.broken_chains


def _identity(seen: Seen) -> Iterator[str]:
    if seen.incidents != 1:
        yield f"the alert opened {seen.incidents} incidents"
    if set(seen.alert_states) != {"started"}:
        yield f"its alerts are {', '.join(seen.alert_states) or 'gone'}"


def _final_state(seen: Seen) -> Iterator[str]:
    if not seen.meddling_stands:
        yield "what somebody else had changed was overwritten"
    if seen.phase == "resolved" and not seen.meddled and seen.after != seen.recovered:
        yield f"resolved, and not as an undisturbed run leaves it: {seen.after}"
    if seen.phase == "aborted" and not seen.meddled and seen.after != seen.before:
        yield f"aborted, and not as before: {seen.after} instead of {seen.before}"
    if seen.phase != seen.expected:
        yield f"ended {seen.phase} instead of {seen.expected}: {seen.sentence or 'nobody knows why'}"
    if seen.phase == "held" and not any(SOMEBODY_ELSE in said for said in (*seen.holds, seen.sentence)):
        yield f"ended held, and does not say whose change stands in the way: {seen.sentence}"
    if seen.unconfirmed:
        yield f"not confirmed by {', '.join(seen.unconfirmed)}"
    if seen.answering != seen.serving:
        yield f"users are answered by {sorted(seen.answering)}, and {sorted(seen.serving)} have a share"
    if seen.replicas_ready != seen.replicas_wanted or seen.processes != sum(seen.replicas_wanted.values()):
        yield f"{seen.processes} processes, ready {seen.replicas_ready}, where {seen.replicas_wanted} are wanted"


def _effects_once(seen: Seen) -> Iterator[str]:
    for ledger, receipts in seen.receipts.items():
        twice = [key for key, times in Counter(receipt.key for receipt in receipts).items() if times > 1]
        if twice:
            yield f"the {ledger}'s ledger has more than one receipt of {', '.join(twice)}"
        effects = sum(receipt.outcome in (Outcome.APPLIED, Outcome.RESTORED) for receipt in receipts)
        if seen.moved[ledger] - seen.others[ledger] != effects:
            yield f"the {ledger} moved {seen.moved[ledger]} times, and {effects} effects are accounted for"
        yield from (f"the {ledger} was changed twice by {step}" for step in _doubled(receipts))
    needed = {Outcome.RESTORED} if seen.answers_lost else {Outcome.APPLIED, Outcome.RESTORED}
    effective = {r.key for receipts in seen.receipts.values() for r in receipts if r.outcome in needed}
    if len(seen.recorded) != len(set(seen.recorded)):
        yield "the journal has a receipt twice"
    if not set(seen.recorded) <= {r.key for receipts in seen.receipts.values() for r in receipts}:
        yield "the journal has a receipt that no ledger has"
    if not effective <= set(seen.recorded):
        yield f"the journal lacks receipts: {', '.join(sorted(effective - set(seen.recorded)))}"


def _doubled(receipts: list[Receipt]) -> Iterator[str]:
    """Steps that took effect again without having been taken back in between, whatever the attempt."""
    in_effect: set[str] = set()
    for receipt in receipts:
        step = Key.parse(receipt.key).step
        if receipt.outcome is Outcome.APPLIED and step in in_effect:
            yield step
        elif receipt.outcome is Outcome.APPLIED:
            in_effect.add(step)
        elif receipt.outcome is Outcome.RESTORED:
            in_effect.discard(step)
