"""What is at stake with one prediction: revenue and customers, each with an interval, and how old the measurement is.

    at risk = probability x lost minutes of an incident x revenue a minute x traffic of now / usual traffic

The *lost minutes* of an earlier incident are its duration times the share of the requests that it lost. Their spread
over the incidents that there were is the interval: an incident is as short as one of ten, or as long. Where of too few
it was measured what they lost, an incident is taken to lose what its objective forbids, which is the least, and all of
the requests at the most. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from activities.rollback.duration import in_words
from models.catalog import Catalog, Service
from models.prediction import Estimate, Risk

FEWEST_INCIDENTS: Final = 3
"""Fewer do not show how long incidents last."""
STALE: Final = timedelta(minutes=15)
"""Traffic that was measured earlier than this says nothing about now."""
OUTSIDE: Final = 0.1
"""Share of the cases on each side of the interval."""


@dataclass(frozen=True)
class PastIncident:
    minutes: float
    lost: float | None
    """Share of the requests that failed meanwhile, 0 to 1; none where that was not measured."""


@dataclass(frozen=True)
class Traffic:
    at: datetime
    """When it was measured."""
    requests_per_minute: float
    usual: float | None
    """Requests a minute at this time of the day; none where there is no history."""


def risk(
    catalog: Catalog,
    service: str,
    region: str,
    probability: float,
    traffic: Traffic | None,
    history: Sequence[PastIncident],
    now: datetime,
) -> Risk:
    """*history*: the earlier incidents of *service*. *traffic*: of it in *region*, none where nobody measures it."""
    entry = catalog.services[service]
    revenue, source = _revenue(catalog, entry)
    customers = _customers(catalog, entry)
    busy = _busy(traffic, now)
    known = [(past.minutes, *_lost(entry, past.lost)) for past in history if past.lost is not None]
    by_objective = len(known) < FEWEST_INCIDENTS <= len(history)
    if by_objective:
        known = [(past.minutes, *_lost(entry, None)) for past in history]
    unknown = [
        *(
            [f"the catalog says neither what {service} earns nor what tier {entry.tier} does"]
            if revenue is None
            else []
        ),
        *([f"the catalog says not how many customers {service} has"] if customers is None else []),
        *([busy] if isinstance(busy, str) else []),
        *([_few(history)] if len(known) < FEWEST_INCIDENTS else []),
    ]
    earning = None if revenue is None or isinstance(busy, str) else revenue * busy
    loss = reached = None
    if len(known) >= FEWEST_INCIDENTS and not isinstance(busy, str):
        if earning is not None:
            loss = _estimate([(minutes * least, minutes * most) for minutes, least, most in known], earning)
        if customers is not None:
            reached = _estimate([(least, most) for _, least, most in known], probability * customers * busy)
    at_stake = _times(probability, loss) if loss else None
    return Risk(
        service=service,
        region=region,
        probability=probability,
        loss=loss,
        revenue=at_stake,
        revenue_per_minute=earning,
        customers=reached,
        source=source,
        age=(now - traffic.at).total_seconds() if traffic else None,
        unknown=tuple(unknown),
        sentence=_sentence(service, region, probability, at_stake, reached, unknown, by_objective),
    )


def _revenue(catalog: Catalog, entry: Service) -> tuple[float | None, Literal["catalog", "tier-default"] | None]:
    """US dollars a minute, as somebody has stated it; the built-in default of a tier is no basis to spend on."""
    if entry.value.revenue_per_minute is not None:
        return entry.value.revenue_per_minute, "catalog"
    if entry.tier in catalog.tiers:
        return catalog.tiers[entry.tier].revenue_per_minute, "tier-default"
    return None, None


def _customers(catalog: Catalog, entry: Service) -> int | None:
    if entry.value.customers is not None:
        return entry.value.customers
    return catalog.tiers[entry.tier].customers if entry.tier in catalog.tiers else None


def _busy(traffic: Traffic | None, now: datetime) -> float | str:
    """The traffic of now in multiples of the usual one, or why that is not known."""
    if traffic is None:
        return "the traffic of now was not measured"
    if now - traffic.at > STALE:
        return f"the traffic was last measured {in_words(now - traffic.at)} ago"
    if not traffic.usual:
        return "how much traffic is usual at this time of the day is not known"
    return traffic.requests_per_minute / traffic.usual


def _lost(entry: Service, share: float | None) -> tuple[float, float]:
    """The least and the most of the requests that are lost. An incident is one because more is lost than the objective
    allows: it is never taken for less."""
    forbidden = 1 - entry.slos.availability.objective / 100
    if share is None:
        return forbidden, 1.0
    lost = min(1.0, max(share, forbidden))
    return lost, lost


def _few(history: Sequence[PastIncident]) -> str:
    return f"there were {len(history)} incidents: {FEWEST_INCIDENTS} are needed to tell how long one lasts"


def _estimate(outcomes: Sequence[tuple[float, float]], times: float) -> Estimate:
    """Of the least and the most in each case: the mean of the least, and the nearest ranks outward. Of few outcomes the
    interval is all that there was."""
    least, most = (sorted(side) for side in zip(*outcomes, strict=True))
    skipped = math.floor(OUTSIDE * (len(outcomes) - 1))
    return Estimate(
        expected=times * sum(least) / len(least), low=times * least[skipped], high=times * most[-1 - skipped]
    )


def _times(probability: float, loss: Estimate) -> Estimate:
    return Estimate(expected=probability * loss.expected, low=probability * loss.low, high=probability * loss.high)


def _sentence(
    service: str,
    region: str,
    probability: float,
    revenue: Estimate | None,
    customers: Estimate | None,
    unknown: Sequence[str],
    by_objective: bool,
) -> str:
    stakes: list[str] = []
    if revenue:
        stakes.append(f"${revenue.expected:,.0f} of revenue (${revenue.low:,.0f} to ${revenue.high:,.0f})")
    if customers:
        stakes.append(f"{customers.expected:,.0f} customers ({customers.low:,.0f} to {customers.high:,.0f})")
    said = f"{' and '.join(stakes)} are at risk" if stakes else "what is at risk is not known"
    why = f"; {'; '.join(unknown)}" if unknown else ""
    if stakes and by_objective:
        why += "; of too few incidents it was measured what they lost: it is taken for what the objective forbids"
    return f"{service} in {region} has a chance of {probability:.0%} of an incident: {said}{why}"
