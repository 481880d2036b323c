"""Which preventive action is worth its cost: what it averts of the revenue at risk against what it costs. Pure.

    averted = revenue at risk x sum over signs of (share of the sign in the prediction x effectiveness against it)

The effectiveness of an action against a sign is a beta distribution. It begins as assumed
(:mod:`activities.predictor.preventive_actions`), which is worth :data:`ASSUMED` outcomes, and is moved by what became
of earlier preventions. Where the worth of the service, or the cost, is not known, an action may be advised, and is
never chosen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from activities.predictor.preventive_actions import ASSUMPTIONS, cost_of, obstacle
from models.catalog import PreventionPolicy
from models.prediction import Evidence, Risk
from models.prevention import Action, Means, Option, Prevention, Record, Sign, Spent
from models.prevention_run import approved, over_budget

ASSUMED: Final = 4.0
"""Outcomes that an assumption about an effectiveness is worth."""
SIGNS: Final[Mapping[str, Sign]] = MappingProxyType(
    {
        "requests_per_second": Sign.LOAD,
        "in_flight": Sign.SATURATION,
        "memory_share": Sign.MEMORY,
        "connections_share": Sign.CONNECTIONS,
        "p50_ms": Sign.LATENCY,
        "p95_ms": Sign.LATENCY,
        "p99_ms": Sign.LATENCY,
        "slow_share": Sign.LATENCY,
        "error_share": Sign.ERRORS,
    }
)
"""Of the golden signals, where they rise. None falls before trouble in a way that an action answers to."""


def signs(evidence: Iterable[Evidence]) -> dict[Sign, float]:
    """The share of each sign in a prediction. What no action answers to has its share too, so they sum up to 1 at
    most."""
    weights, total = dict[Sign, float](), 0.0
    for one in evidence:
        total += one.weight
        if one.rising and (sign := SIGNS.get(one.metric)):
            weights[sign] = weights.get(sign, 0.0) + one.weight
    return {sign: weight / total for sign, weight in weights.items()} if total else {}


def choose(
    risk: Risk,
    evidence: Iterable[Evidence],
    means: Means,
    records: Iterable[Record],
    rules: PreventionPolicy,
    spent: Spent,
) -> Prevention:
    """All six actions, the best first, and the first of them that averts more than it costs, that *rules* approve, and
    that is within their budget."""
    shares, known = signs(evidence), {(record.action, record.sign): record for record in records}
    options = sorted((_weigh(action, risk, shares, means, known) for action in Action), key=_rank)
    why: list[str] = []
    for option in options:
        if reason := _against(option, risk, rules, spent):
            why.append(f"{option.action}: {reason}")
        else:
            return Prevention(options=tuple(options), chosen=option.action, sentence=option.sentence, signs=shares)
    return Prevention(options=tuple(options), chosen=None, sentence=f"nothing is done: {'; '.join(why)}", signs=shares)


def answered_sign(action: Action, shares: Mapping[Sign, float]) -> Sign | None:
    """The strongest sign that *action* answers to: what an outcome is counted for."""
    against = ASSUMPTIONS[action].against
    return max((sign for sign in shares if sign in against), key=shares.__getitem__, default=None)


def _rank(option: Option) -> tuple[bool, float, float]:
    """Possible ones first, by return; without a known return by effectiveness."""
    gain = option.expected_return
    return option.cannot is not None, -math.inf if gain is None else -gain, -option.effectiveness


def _against(option: Option, risk: Risk, rules: PreventionPolicy, spent: Spent) -> str | None:
    """Why an option is not chosen."""
    if option.cannot:
        return option.cannot
    if option.averted is None:
        return f"it can only be advised, since what {risk.service} would lose is not known"
    if option.cost is None:
        return "it can only be advised, since its cost is not known"
    if option.averted <= option.cost:
        return f"it averts ${option.averted:,.2f} and costs ${option.cost:,.2f}"
    if not approved(option.action, rules):
        return f"it is only advised, since the policy does not approve it, and averts ${option.averted:,.2f}"
    return over_budget(rules, spent, option.cost)


def _weigh(
    action: Action,
    risk: Risk,
    shares: Mapping[Sign, float],
    means: Means,
    known: Mapping[tuple[Action, Sign], Record],
) -> Option:
    assumed = ASSUMPTIONS[action]
    answered = {sign: share for sign, share in shares.items() if sign in assumed.against}
    betas = {sign: _beta(assumed.against[sign], known.get((action, sign))) for sign in answered}
    mean = sum(share * betas[sign].mean for sign, share in answered.items())
    deviation = math.sqrt(sum((share * betas[sign].deviation) ** 2 for sign, share in answered.items()))
    cannot = obstacle(action, shares.keys(), means)
    averted = risk.revenue.expected * mean if risk.revenue else None
    cost = cost_of(action, risk, means, [record for (which, _), record in known.items() if which is action])
    confidence = None
    if risk.revenue and risk.revenue.expected and cost is not None:
        confidence = _above(cost / risk.revenue.expected, mean, deviation)
    return Option(
        action=action,
        effectiveness=mean,
        averted=averted,
        cost=cost,
        confidence=confidence,
        cannot=cannot,
        sentence=_sentence(action, answered, mean, averted, cost, confidence, cannot),
    )


@dataclass(frozen=True)
class _Beta:
    mean: float
    deviation: float


def _beta(assumed: float, record: Record | None) -> _Beta:
    """Of what was foretold, that which did not come was averted."""
    foretold, incidents = (record.foretold, record.incidents) if record else (0.0, 0)
    averted = assumed * ASSUMED + max(0.0, foretold - incidents)
    count = ASSUMED + max(foretold, incidents)
    mean = averted / count
    return _Beta(mean, math.sqrt(mean * (1 - mean) / (count + 1)))


def _above(limit: float, mean: float, deviation: float) -> float:
    """Chance that the effectiveness is above *limit*, by the normal distribution of its mean and deviation."""
    if not deviation:
        return float(mean > limit)
    return 0.5 * (1 + math.erf((mean - limit) / deviation / math.sqrt(2)))


def _sentence(
    action: Action,
    answered: Mapping[Sign, float],
    mean: float,
    averted: float | None,
    cost: float | None,
    confidence: float | None,
    cannot: str | None,
) -> str:
    if cannot:
        return f"{action}: not possible, since {cannot}"
    why = " and ".join(sign for sign in sorted(answered, key=lambda sign: -answered[sign]))
    saved = "of a loss that is not known" if averted is None else f"of the loss, ${averted:,.2f}"
    costs = "at a cost that is not known" if cost is None else f"for ${cost:,.2f}"
    sure = "" if confidence is None else f"; it pays with a chance of {confidence:.0%}"
    return f"{action}, since {why}: averts about {mean:.0%} {saved}, {costs}{sure}"
