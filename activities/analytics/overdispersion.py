"""How much more the counts of bad events scatter than independent events would: φ, from the service's history. Pure.

An arm's bad events are summed over 1, 4 and 16 windows at a time, because a burst that lasts for minutes hardly shows
from one window to the next. For each length, φ is Pearson's statistic: the mean of (bad - expected)² / variance of
independent events, with the arm's own overall share of bad events as what was expected. It is raised by one standard
error, and the largest counts.

It errs on the safe side: traffic patterns and slow drift, which strike both arms alike and harm no comparison, raise it
too, and an outage within the history makes it so large that nothing will be shown. A history therefore ends before the
trouble began (:func:`undisturbed_until`). It cannot know of bursts that are rarer than the history is long.

A source that is asked more often than it looks answers with windows without requests, and then with one that has those
of several. Neither makes a difference: what is summed over empty windows is passed over, and each sum is held against
its own number of requests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from activities.analytics.objectives import metrics, objectives
from models.base import Frozen
from models.catalog import Slos
from models.telemetry import HISTORY, HISTORY_WINDOWS, USERS, NoData, WindowReading

SPANS = (1, 4, 16)
"""Windows at a time."""

WHOLE_SUMS = HISTORY_WINDOWS // SPANS[-1] - 1
"""Of the longest span, with requests in each. A history has one more, so that a gap of some minutes costs nothing."""

WHOLE_EVENTS = 100
"""Fewer bad ones, or fewer good ones, say too little about how they scatter."""

DEFAULT = 4.0
"""The least that is assumed where no arm has a whole history. No estimate: errors in clumps of two or three, as from a
retry or a broken connection with its requests, have it, and a doubled rate of errors is still found within minutes."""

DETECTION = timedelta(hours=1)
"""How long trouble may go on before it is told of: urgent alerts look at windows of at most an hour."""

TOO_LITTLE = f"no release was seen for an hour with {WHOLE_EVENTS} bad requests in it"


class Overdispersion(Frozen):
    """φ of one metric."""

    factor: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    assumed: str = ""
    """Why it is; empty where it was learned from a history."""


@dataclass(frozen=True)
class Tally:
    """One arm's events of one metric in one window."""

    bad: int
    total: int


def undisturbed_until(began_at: datetime, deployed_at: datetime | None) -> datetime:
    """Where a history ends that is to be of ordinary times, and as recent as can be, because bursts grow with traffic.

    *began_at*: when the trouble was first told of. *deployed_at*: when the bad release was deployed. A history does not
    go across that, because neither of its halves would be whole.
    """
    until = began_at - DETECTION
    if deployed_at is not None and until - HISTORY < deployed_at < until:
        return deployed_at
    return until


def overdispersion(history: Sequence[WindowReading] | NoData, slos: Slos) -> dict[str, Overdispersion]:
    """φ for each metric of *slos*; *history*: windows of equal length, in order, from before the trouble.

    Windows without data are passed over.
    """
    if isinstance(history, NoData):
        return dict.fromkeys(metrics(slos), Overdispersion(factor=DEFAULT, assumed=history.reason))
    by_metric: dict[str, dict[str, list[Tally]]] = {}
    for reading in history:
        if isinstance(reading, NoData):
            continue
        for arm, count in reading.arms.items():
            if arm == USERS:
                continue
            for objective in objectives(count, slos):
                arms = by_metric.setdefault(objective.metric, {})
                arms.setdefault(arm, []).append(Tally(objective.bad, objective.total))
    return {metric: among(by_metric.get(metric, {})) for metric in metrics(slos)}


def among(arms: Mapping[str, Sequence[Tally]]) -> Overdispersion:
    """The largest φ of the releases with a whole history (:data:`WHOLE_SUMS`, :data:`WHOLE_EVENTS`).

    Where there is none, the largest of all, and at least :data:`DEFAULT`. *arms*: windows by release, in order.
    """
    whole = [estimate(tallies) for tallies in arms.values() if _is_whole(tallies)]
    if whole:
        return Overdispersion(factor=max(whole))
    return Overdispersion(factor=max([DEFAULT, *map(estimate, arms.values())]), assumed=TOO_LITTLE)


def estimate(tallies: Sequence[Tally]) -> float:
    """φ ≥ 1 of one arm's windows, in order; 1 where there is too little to see any scatter."""
    bad, total = sum(t.bad for t in tallies), sum(t.total for t in tallies)
    if not 0 < bad < total:
        return 1.0
    return max(1.0, *(_scatter(tallies, span, bad / total) for span in SPANS))


def _is_whole(tallies: Sequence[Tally]) -> bool:
    bad, total = sum(t.bad for t in tallies), sum(t.total for t in tallies)
    return len(_sums(tallies, SPANS[-1])) >= WHOLE_SUMS and min(bad, total - bad) >= WHOLE_EVENTS


def _scatter(tallies: Sequence[Tally], span: int, share: float) -> float:
    """Pearson's statistic of the sums over *span* windows and a standard error; 0 where there is nothing to compare."""
    sums = _sums(tallies, span)
    freedom = len(sums) - 1
    if freedom < 1:
        return 0.0
    statistic = sum((s.bad - s.total * share) ** 2 / (s.total * share * (1 - share)) for s in sums) / freedom
    expected = share * sum(s.total for s in sums) / len(sums)
    return statistic * (1 + math.sqrt((2 + 1 / expected) / freedom))


def _sums(tallies: Sequence[Tally], span: int) -> list[Tally]:
    """Over *span* windows each; those without a request are left out, and so is a rest that is shorter."""
    spans = (tallies[at : at + span] for at in range(0, len(tallies) - span + 1, span))
    sums = (Tally(sum(t.bad for t in each), sum(t.total for t in each)) for each in spans)
    return [each for each in sums if each.total > 0]
