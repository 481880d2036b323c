"""How much more the counts of bad events scatter than independent events would: φ, from the service's history. Pure.

An arm's bad events are summed over 1, 4 and 16 windows at a time, because a burst that lasts for minutes hardly shows
from one window to the next. For each length, φ is Pearson's statistic: the mean of (bad - expected)² / variance of
independent events, with the arm's own overall share of bad events as what was expected. It is raised by one standard
error, and the largest counts.

It errs on the safe side: traffic patterns and slow drift, which strike both arms alike and harm no comparison, raise it
too, and an outage within the history makes it so large that nothing will be shown. A history is therefore cut where the
incident began. It cannot know of bursts that are rarer than the history is long.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from activities.analytics.objectives import metrics, objectives
from models.catalog import Slos
from models.telemetry import USERS, NoData, WindowReading

SPANS = (1, 4, 16)
"""Windows at a time."""

WHOLE_WINDOWS = 240
"""An hour of 15 s: as many give 15 sums of the longest span."""

WHOLE_EVENTS = 100
"""Fewer bad ones, or fewer good ones, say too little about how they scatter."""

DEFAULT = 4.0
"""The least that is assumed where no arm has a whole history. No estimate: errors in clumps of two or three, as from a
retry or a broken connection with its requests, have it, and a doubled rate of errors is still found within minutes."""


@dataclass(frozen=True)
class Tally:
    """One arm's events of one metric in one window."""

    bad: int
    total: int


def overdispersion(history: Sequence[WindowReading], slos: Slos) -> dict[str, float]:
    """φ ≥ 1 for each metric of *slos*; *history*: windows of equal length, in order, from before the incident.

    Windows without data are passed over.
    """
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


def among(arms: Mapping[str, Sequence[Tally]]) -> float:
    """The largest φ of the releases with a whole history (:data:`WHOLE_WINDOWS`, :data:`WHOLE_EVENTS`).

    Where there is none, the largest of all, and at least :data:`DEFAULT`. *arms*: windows by release, in order.
    """
    whole = [estimate(tallies) for tallies in arms.values() if _is_whole(tallies)]
    return max(whole) if whole else max([DEFAULT, *map(estimate, arms.values())])


def estimate(tallies: Sequence[Tally]) -> float:
    """φ ≥ 1 of one arm's windows, in order; 1 where there is too little to see any scatter."""
    bad, total = sum(t.bad for t in tallies), sum(t.total for t in tallies)
    if not 0 < bad < total:
        return 1.0
    return max(1.0, *(_scatter(tallies, span, bad / total) for span in SPANS))


def _is_whole(tallies: Sequence[Tally]) -> bool:
    measured = [tally for tally in tallies if tally.total > 0]
    bad, total = sum(t.bad for t in measured), sum(t.total for t in measured)
    return len(measured) >= WHOLE_WINDOWS and min(bad, total - bad) >= WHOLE_EVENTS


def _scatter(tallies: Sequence[Tally], span: int, share: float) -> float:
    """Pearson's statistic of the sums over *span* windows and a standard error; 0 where there is nothing to compare."""
    sums = [
        (sum(t.bad for t in tallies[at : at + span]), sum(t.total for t in tallies[at : at + span]))
        for at in range(0, len(tallies) - span + 1, span)
    ]
    sums = [(bad, total) for bad, total in sums if total > 0]
    freedom = len(sums) - 1
    if freedom < 1:
        return 0.0
    statistic = sum((bad - total * share) ** 2 / (total * share * (1 - share)) for bad, total in sums) / freedom
    expected = share * sum(total for _, total in sums) / len(sums)
    return statistic * (1 + math.sqrt((2 + 1 / expected) / freedom))
