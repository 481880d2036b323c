"""What alarms find of incidents whose cause is known: by kind of fault, beside what luck finds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy

from activities.predictor.layout import Layout
from activities.predictor.learning import metrics
from activities.predictor.learning.episodes import Floats, Rows
from activities.predictor.learning.metrics import Stretch
from bench.faults_fleet import METRICS, Incident
from bench.faults_weather import DAY, GROWING, SUDDEN, Kind

LAYOUT = Layout(METRICS, interval_s=60, horizon=60, period=DAY, merge=30)
"""An hour ahead, chosen on the training's ranges between 45 and 60 minutes."""
EARLY = 10
"""Minutes: time enough to do something."""
RESAMPLES = 500
SHIFTS = 100
Chosen = Callable[[Incident], bool]


@dataclass(frozen=True)
class Found:
    """Of the incidents of one sort."""

    events: int
    found: int
    recall: float
    interval: tuple[float, float]
    """90%, by bootstrap over entities."""
    chance: float
    """Recall of the same scores, circularly shifted within each entity."""
    lead: float
    """Minutes, the median of those found."""
    early: float
    """Share of those found that were found ten minutes before or earlier."""

    @property
    def shown(self) -> dict[str, Any]:
        return {
            "events": self.events,
            "found": self.found,
            "event recall": _digits(self.recall),
            "90% interval": [_digits(end) for end in self.interval],
            "recall by chance": _digits(self.chance),
            "median lead in minutes": _digits(self.lead),
            "share of those found with 10 minutes or more": _digits(self.early),
        }


@dataclass(frozen=True)
class Judged:
    """Alarms of several entities. All sequences are by entity."""

    stretches: Sequence[Stretch]
    scores: Sequence[Floats]
    incidents: Sequence[Mapping[int, Incident]]
    """By the row in which they begin."""
    threshold: float

    @cached_property
    def alarms(self) -> list[Rows]:
        return self._alarms(self.scores)

    @cached_property
    def lucky(self) -> list[list[Rows]]:
        """Alarms of the same scores, circularly shifted within each entity, several times."""
        return [self._alarms(scores) for scores in metrics.shifts(self.scores, SHIFTS)]

    def _alarms(self, scores: Sequence[Floats]) -> list[Rows]:
        pairs = zip(self.stretches, scores, strict=True)
        return [metrics.alarms(stretch, score, self.threshold) for stretch, score in pairs]

    @cached_property
    def covered(self) -> float:
        """Share of the rows that may be asked that lie under an alarm: what luck finds of incidents that come any time.

        Circularly shifted scores tell more than that. An alarm that comes true ends with its incident; shifted, it goes
        on for its whole horizon.
        """
        return metrics.judge(self.stretches, self.scores, self.threshold).covered

    def false_alarms(self) -> tuple[float, tuple[float, float]]:
        """A day and entity, with the 90% interval over entities."""
        figures = metrics.judge(self.stretches, self.scores, self.threshold)
        each = [
            metrics.judge([stretch], [score], self.threshold)
            for stretch, score in zip(self.stretches, self.scores, strict=True)
        ]
        return figures.false_alarms_a_day, _interval([(one.false_alarms, one.days) for one in each])

    def of(self, chosen: Chosen) -> Found:
        """Of the incidents that are *chosen*."""
        starts = [
            [row for row in stretch.starts.tolist() if chosen(known[row])]
            for stretch, known in zip(self.stretches, self.incidents, strict=True)
        ]
        leads = [_leads(raised, rows) for raised, rows in zip(self.alarms, starts, strict=True)]
        events, found = sum(map(len, starts)), sum(map(len, leads))
        lucky = sum(len(_leads(one, rows)) for alarms in self.lucky for one, rows in zip(alarms, starts, strict=True))
        every = [lead for each in leads for lead in each]
        return Found(
            events=events,
            found=found,
            recall=found / events if events else math.nan,
            interval=_interval([(len(lead), len(rows)) for lead, rows in zip(leads, starts, strict=True)]),
            chance=lucky / len(self.lucky) / events if events else math.nan,
            lead=float(numpy.median(every)) if every else math.nan,
            early=sum(lead >= EARLY for lead in every) / found if found else math.nan,
        )

    def by_kind(self) -> dict[str, Any]:
        """Each kind of fault, in its own service and in those that call it; and what has no fault behind it."""
        return {
            "own": {kind.value: self.of(_of_kind([kind], inherited=False)).shown for kind in Kind},
            "inherited": {kind.value: self.of(_of_kind([kind], inherited=True)).shown for kind in Kind},
            "without a fault": self.of(lambda incident: incident.kind is None).shown,
        }

    def growing(self, *, inherited: bool) -> Found:
        return self.of(_of_kind(GROWING, inherited=inherited))

    def sudden(self) -> Found:
        """Own and inherited: nobody has a precursor of them."""
        return self.of(lambda incident: incident.kind in SUDDEN)

    def summary(self) -> dict[str, Any]:
        rate, interval = self.false_alarms()
        return {
            "with precursors": self.growing(inherited=False).shown,
            "with precursors, inherited": self.growing(inherited=True).shown,
            "without precursors": self.sudden().shown,
            "share of the time under an alarm": _digits(self.covered),
            "false alarms a day a service": _digits(rate),
            "false alarms, 90% interval": [_digits(end) for end in interval],
        }


def _of_kind(kinds: Iterable[Kind], *, inherited: bool) -> Chosen:
    wanted = frozenset(kinds)
    return lambda incident: incident.kind in wanted and incident.inherited == inherited


def _leads(alarms: Rows, starts: Sequence[int]) -> list[int]:
    """Minutes from the first alarm within the horizon, of each incident that has one."""
    leads: list[int] = []
    for start in starts:
        first = int(numpy.searchsorted(alarms, start - LAYOUT.horizon))
        if first < len(alarms) and alarms[first] < start:
            leads.append(start - int(alarms[first]))
    return leads


def _interval(each: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """90%, by bootstrap over entities, of the ratio of the sums of such pairs."""
    generator = numpy.random.default_rng(0)
    counts = numpy.array(each)
    drawn = counts[generator.integers(0, len(counts), (RESAMPLES, len(counts)))].sum(axis=1)
    known = drawn[drawn[:, 1] > 0]
    if not len(known):
        return math.nan, math.nan
    low, high = numpy.percentile(known[:, 0] / known[:, 1], [5, 95]).tolist()
    return low, high


def _digits(value: float) -> float | None:
    """Four; none where there is no number."""
    return round(value, 4) if math.isfinite(value) else None
