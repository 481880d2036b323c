"""Selecting the strategy: rules in order, the first that matches is taken, every one before it says why not.

A rule's sentence has the numbers that it saw, whether it matches or not. Unknown is not zero: a loss that was not
measured is taken to be the whole revenue, and traffic that was not measured decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from activities.rollback.strategies import blue_green, canary_reverse, emergency, gradual, immediate, staged
from activities.rollback.strategies.stages import fits
from models.catalog import RollbackPolicy
from models.circumstances import Circumstances
from models.plan import Rejected
from models.service_state import ServiceState
from models.stage import Stage

Strategy = Callable[[ServiceState, str, str, RollbackPolicy], tuple[Stage, ...]]

STRATEGIES: dict[str, Strategy] = {
    each.NAME: each.stages for each in (immediate, gradual, canary_reverse, blue_green, emergency)
}
"""Those of one service, by name. A new one is a file of its own, a line here, and a rule. Where a policy may name it,
it is a word of ``StrategyName`` in :mod:`models.catalog` too."""

HOLD = "hold"

ENOUGH_FOR_CANARY = 1000
"""Failed requests after which a canary of 5% shows that its target fails a fifth as often, or less, where nothing is
known of bursts: with fewer it would only hold. Worked out by feeding such counts to the comparison."""

LONGEST_WITHOUT_HISTORY = 600.0
"""Seconds that a strategy is taken to need which has never run here."""


@dataclass(frozen=True)
class Judgement:
    takes: str | None
    """A strategy, :data:`HOLD`, or none: the rule does not match."""
    sentence: str


@dataclass(frozen=True)
class Selection:
    strategy: str
    """Or :data:`HOLD`."""
    because: str
    rejected: tuple[Rejected, ...]


Rule = Callable[[Circumstances, RollbackPolicy], Judgement]


def no_way(now: Circumstances, policy: RollbackPolicy) -> Judgement:
    if now.obstacles:
        return Judgement(HOLD, "; ".join(now.obstacles))
    if now.target is None and now.incompatible is None:
        return Judgement(HOLD, now.way)
    return Judgement(None, f"{now.way}, and nothing stands in the way")


def corruption(now: Circumstances, policy: RollbackPolicy) -> Judgement:
    if now.corruption:
        sentence = "data are being damaged: stop the writers and plan a point-in-time recovery, which a person approves"
        return Judgement(HOLD, sentence)
    return Judgement(None, "nobody has said that data are damaged")


def incompatible(now: Circumstances, policy: RollbackPolicy) -> Judgement:
    if now.incompatible:
        return Judgement(HOLD, f"{now.incompatible}: fix it forward")
    return Judgement(None, f"nothing says that {now.target} does not fit the schema and configuration of now")


def chosen_by_policy(now: Circumstances, policy: RollbackPolicy) -> Judgement:
    if policy.strategy is None:
        return Judgement(None, "the policy names no strategy")
    return Judgement(policy.strategy, "the policy names it")


def too_costly(now: Circumstances, policy: RollbackPolicy) -> Judgement:
    outage = now.failing == 1.0 and now.requests >= policy.min_requests
    costly, sentence = _loss(now, policy)
    if outage:
        sentence = f"a total outage: all of {now.requests} requests failed; {sentence}"
    if not (outage or costly):
        return Judgement(None, sentence)
    if now.emergency_allowed is None:
        return Judgement(
            HOLD, f"{sentence}; only an emergency rollback is fast enough, and no policy or person allows it"
        )
    return Judgement(emergency.NAME, f"{sentence}; {now.emergency_allowed} allows it")


def several_services(now: Circumstances, policy: RollbackPolicy) -> Judgement:
    if len(now.going_back) > 1:
        return Judgement(staged.NAME, f"{len(now.going_back)} services must go back: {', '.join(now.going_back)}")
    return Judgement(None, f"only {now.service} must itself go back")


def warm_colour(now: Circumstances, policy: RollbackPolicy) -> Judgement:
    sentence = f"{now.ready} of the {now.full} replicas of {now.target} that all of the traffic needs are ready"
    if now.target_share == 0 and now.ready >= now.full:
        return Judgement(blue_green.NAME, f"{sentence}, with no request on them")
    return Judgement(None, f"{sentence}, and it has {now.target_share}% of the requests")


def sure_and_urgent(now: Circumstances, policy: RollbackPolicy) -> Judgement:
    doubts: list[str] = []
    if not now.confidence.high:
        doubts.append(f"it is not sure that the release is the cause: {now.confidence.because}")
    if short := _short_of_room(now):
        doubts.append(short)
    if now.burn_rate is None or now.burn_rate < policy.high_burn:
        doubts.append(f"the error budget {_burn(now)}, urgent is {policy.high_burn:g} times as fast")
    if doubts:
        return Judgement(None, "; ".join(doubts))
    return Judgement(immediate.NAME, f"{now.confidence.because}; the error budget {_burn(now)}")


def unsure(now: Circumstances, policy: RollbackPolicy) -> Judgement:
    if now.confidence.high:
        return Judgement(None, f"the cause is clear: {now.confidence.because}")
    doubt = f"it is not sure that the release is the cause: {now.confidence.because}"
    if now.rate is None or now.bad is None:
        return Judgement(None, f"{doubt}; how much traffic there is was not measured")
    deadline = policy.soak + policy.soak_extension
    expected = now.rate * now.bad * deadline
    sentence = f"{doubt}; {expected:,.0f} bad requests in the {deadline:g} s of a canary, {ENOUGH_FOR_CANARY} decide"
    return Judgement(canary_reverse.NAME if expected >= ENOUGH_FOR_CANARY else None, sentence)


def otherwise(now: Circumstances, policy: RollbackPolicy) -> Judgement:
    return Judgement(immediate.NAME, "one service, one earlier release, and nothing that asks for more care")


GUARDS: tuple[tuple[str, Rule], ...] = (
    ("1 no way back", no_way),
    ("2 corruption", corruption),
    ("3 incompatible", incompatible),
)
"""What every service is asked that goes back, whatever was selected for them all."""

ORDINARY: tuple[tuple[str, Rule], ...] = (
    ("5 several services", several_services),
    ("the policy's choice", chosen_by_policy),
    ("6 warm colour", warm_colour),
    ("7 sure and urgent", sure_and_urgent),
    ("8 unsure", unsure),
    ("9 otherwise", otherwise),
)
"""What is taken where there is no hurry; the last of them always matches."""

RULES: tuple[tuple[str, Rule], ...] = (*GUARDS, ("4 too costly to wait", too_costly), *ORDINARY)
"""In their order. A plan names the rule that was taken, and each before it, by these names."""


def select(now: Circumstances, policy: RollbackPolicy) -> Selection:
    """The first rule that matches, with every rule before it and why it was rejected."""
    return _first(RULES, now, policy)


def guarded(now: Circumstances, policy: RollbackPolicy, common: Selection) -> Selection:
    """What was selected for several services, for one of them; a hold where a guard says so, or its policy."""
    for name, rule in GUARDS:
        judgement = rule(now, policy)
        if judgement.takes is not None:
            return Selection(judgement.takes, f"rule {name}: {judgement.sentence}", ())
    if common.strategy == emergency.NAME and now.emergency_allowed is None:
        forbidden = f"neither the policy of {now.service} nor a person allows an emergency"
        return Selection(HOLD, f"{common.because}; {forbidden}", ())
    return _fitting(now, common)


def _first(rules: Sequence[tuple[str, Rule]], now: Circumstances, policy: RollbackPolicy) -> Selection:
    rejected: list[Rejected] = []
    for name, rule in rules:
        judgement = rule(now, policy)
        if judgement.takes is not None:
            return _fitting(now, Selection(judgement.takes, f"rule {name}: {judgement.sentence}", tuple(rejected)))
        rejected.append(Rejected(rule=name, reason=judgement.sentence))
    raise AssertionError("the last rule always matches")


def _fitting(now: Circumstances, selection: Selection) -> Selection:
    """Where there is no room for both releases in full: share by share, or a hold before any change if not even that.

    An emergency goes share by share by itself, with its freeze and its priority, and without the time that gates take.
    """
    short = _short_of_room(now)
    if short is None or selection.strategy in (HOLD, staged.NAME):
        return selection
    because = f"{selection.because}; {short}; share by share it is {now.at_once_gradually} at most"
    by_shares = emergency.NAME if selection.strategy == emergency.NAME else gradual.NAME
    return Selection(by_shares if fits(now.at_once_gradually, now.room) else HOLD, because, selection.rejected)


def _loss(now: Circumstances, policy: RollbackPolicy) -> tuple[bool, str]:
    """Whether more than the budget will be lost by the time at which the next safest strategy has ended."""
    if policy.loss_budget is None:
        return False, "the policy sets no budget for the loss"
    safest = _first(ORDINARY, now, policy).strategy
    seconds = now.durations.get(safest, LONGEST_WITHOUT_HISTORY)
    so_far = now.loss.feared * now.loss.minutes
    total = so_far + now.loss.feared * seconds / 60
    known = "the whole revenue, for nothing was measured" if now.loss.per_minute is None else "as measured just now"
    sentence = (
        f"${now.loss.feared:,.2f} a minute ({known}, {now.loss.source}) for "
        f"{now.loss.minutes:,.1f} minutes so far and the {seconds:.0f} s until {safest} has ended: ${total:,.2f}, "
        f"the budget is ${policy.loss_budget:,.2f}"
    )
    return total > policy.loss_budget, sentence


def _short_of_room(now: Circumstances) -> str | None:
    """That there is no room for the target in full beside what serves; none where there is, or may be."""
    if fits(now.at_once, now.room):
        return None
    return f"{now.target} in full beside what serves makes {now.at_once} replicas, there is room for {now.room}"


def _burn(now: Circumstances) -> str:
    return (
        "burns at an unknown rate" if now.burn_rate is None else f"burns {now.burn_rate:,.1f} times as fast as it may"
    )
