"""What happens if nothing is done: how long the error budget lasts at the rate at which it burns now, and the loss.

A projection, not a model: the present rate is held, and said to rise or fall where two windows show it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from activities.objectives import Burn, burns
from models.assessment import Projection
from models.catalog import Catalog
from models.incident import Impact
from models.telemetry import USERS, NoData, Window, WindowReading
from models.worth import impact_of

PERIOD_DAYS: Final = 30
"""The period of the error budgets."""
FEWEST_REQUESTS: Final = 20
"""Fewer requests than these give no rate."""
TREND: Final = 1.5
"""So many times the longer window's rate, up or down, is a trend."""


def project(catalog: Catalog, service: str, readings: Sequence[WindowReading], stated: Impact | None) -> Projection:
    """Minutes until a full budget of :data:`PERIOD_DAYS` is used up, and the loss a minute, at the present rate.

    *readings*: windows of *service*'s counts, of any lengths; the shortest with enough requests gives the rate, the
    longest the trend. *stated*: the impact that the caller knows better than the catalog.
    """
    impact = impact_of(catalog, service, stated)
    windows = sorted(_measured(readings), key=lambda window: window.seconds)
    if not windows:
        return Projection(burn_rate=None, budget_minutes=None, impact=impact, sentence=_unknown(service, readings))
    slos = catalog.services[service].slos
    worst = max(burns(windows[0].arms[USERS], slos), key=_rate)
    rate = _rate(worst)
    errors = windows[0].arms[USERS]
    loss = impact.revenue_per_minute * errors.errors / errors.requests
    if rate == 0:
        sentence = f"{service} burns no error budget: none of {worst.total} requests was bad"
        return Projection(burn_rate=0, budget_minutes=None, impact=impact, loss_per_minute=loss, sentence=sentence)
    minutes = PERIOD_DAYS * 24 * 60 / rate
    before = next(burn for burn in burns(windows[-1].arms[USERS], slos) if burn.objective == worst.objective)
    sentence = (
        f"{service} burns its {worst.objective} budget {rate:,.1f} times as fast as it may "
        f"({worst.bad} of {worst.total} requests bad){_trend(rate, _rate(before))}: a full {PERIOD_DAYS}-day budget "
        f"lasts {_duration(minutes)}; {_loss(loss, impact)}"
    )
    return Projection(burn_rate=rate, budget_minutes=minutes, impact=impact, loss_per_minute=loss, sentence=sentence)


def _measured(readings: Sequence[WindowReading]) -> list[Window]:
    return [r for r in readings if isinstance(r, Window) and _requests(r) >= FEWEST_REQUESTS]


def _requests(window: Window) -> int:
    return window.arms[USERS].requests if USERS in window.arms else 0


def _rate(burn: Burn) -> float:
    return burn.rate or 0.0


def _unknown(service: str, readings: Sequence[WindowReading]) -> str:
    nothing = [reading.reason for reading in readings if isinstance(reading, NoData)]
    most = max((_requests(reading) for reading in readings if isinstance(reading, Window)), default=None)
    if most is not None:
        why = f"{most} requests were measured, {FEWEST_REQUESTS} are needed for a rate"
    else:
        why = nothing[0] if nothing else "nothing was measured"
    return f"what happens to {service} if nothing is done is not known: {why}"


def _trend(rate: float, before: float) -> str:
    if rate > TREND * before:
        return ", and rising"
    return ", and falling" if rate * TREND < before else ""


def _loss(loss: float, impact: Impact) -> str:
    if loss == 0:
        return "no request failed, so no loss of revenue is counted"
    by = "" if impact.source == "catalog" else f", by the {impact.source} value"
    return f"the failed requests lose ${loss:,.2f} a minute{by}"


def _duration(minutes: float) -> str:
    for size, unit in ((24 * 60, "days"), (60, "hours")):
        if minutes >= 2 * size:
            return f"{minutes / size:,.1f} {unit}"
    return f"{minutes:,.1f} minutes"
