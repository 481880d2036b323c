"""The figures of a forecast. Probabilities are judged row by row, alarms as events.

An alarm says that an incident starts within the horizon, so the next one can come only after that; each without an
incident is a false alarm. Neither plain accuracy (always-no has 98%) nor point-adjusted F1 (random scores have .79) is
computed anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy

from activities.predictor.learning.episodes import Episodes, Floats, Mask, Rows

ROWS_WITHOUT_DAYS = 1000
"""Where the data knows no day, rates are given for so many rows."""
SHIFTS = 20
RESAMPLES = 200


@dataclass(frozen=True)
class Stretch:
    """One entity in one part: the rows that are asked, in their order, and what came."""

    rows: Rows
    """Numbers in the series, ascending."""
    target: Mask
    starts: Rows
    """Incidents that at least one of the rows could have announced."""
    horizon: int
    rows_a_day: int
    minutes_a_row: float

    @classmethod
    def of(cls, one: Episodes, rows: Rows) -> Self:
        """*rows* of one entity, ascending."""
        layout, starts = one.layout, one.incidents[0]
        first, last = numpy.searchsorted(rows, starts - layout.horizon), numpy.searchsorted(rows, starts)
        return cls(
            rows,
            one.target[rows],
            starts[last > first],
            layout.horizon,
            layout.period or ROWS_WITHOUT_DAYS,
            layout.interval_s / 60 if layout.period else 1.0,
        )


@dataclass(frozen=True)
class EventFigures:
    """Of alarms at one threshold, over several stretches."""

    events: int
    found: int
    false_alarms: int
    days: float
    """That the score speaks of: who is silent spends nothing of a budget of false alarms, and must not add to it."""
    leads: tuple[float, ...]
    """Minutes (rows where the data knows no time) from the first alarm of each incident found to its start."""
    covered: float
    """Share of the rows that lie under an alarm."""

    @property
    def recall(self) -> float:
        return self.found / self.events if self.events else math.nan

    @property
    def false_alarms_a_day(self) -> float:
        return self.false_alarms / self.days if self.days else math.nan

    @property
    def lead(self) -> float:
        return float(numpy.median(self.leads)) if self.leads else math.nan


def alarms(stretch: Stretch, score: Floats, threshold: float) -> Rows:
    """Rows at which an alarm is raised: the score reaches the threshold, and no alarm is still valid."""
    raised: list[int] = []
    quiet_until = -1
    for row in stretch.rows[score >= threshold].tolist():
        if row >= quiet_until:
            raised.append(row)
            quiet_until = row + stretch.horizon
    return numpy.array(raised, dtype=numpy.intp)


def judge(stretches: Sequence[Stretch], scores: Sequence[Floats], threshold: float) -> EventFigures:
    """What the alarms at *threshold* find. A score of -inf is silent at every threshold."""
    events = found = false = covered = rows = 0
    days, leads = 0.0, list[float]()
    for stretch, score in zip(stretches, scores, strict=True):
        raised = alarms(stretch, score, threshold) if threshold > -math.inf else stretch.rows[:0]
        right = numpy.zeros(len(raised), dtype=bool)
        for start in stretch.starts.tolist():
            inside = (raised >= start - stretch.horizon) & (raised < start)
            right |= inside
            if inside.any():
                found += 1
                leads.append(float(start - raised[inside][0]) * stretch.minutes_a_row)
        events, false = events + len(stretch.starts), false + int((~right).sum())
        days += int(numpy.isfinite(score).sum()) / stretch.rows_a_day
        ahead = numpy.searchsorted(stretch.rows, numpy.stack([raised, raised + stretch.horizon]))
        covered += int((ahead[1] - ahead[0]).sum())
        rows += len(stretch.rows)
    return EventFigures(events, found, false, days, tuple(leads), covered / rows if rows else math.nan)


def shifts(scores: Sequence[Floats], count: int = SHIFTS) -> Iterator[list[Floats]]:
    """The same scores, circularly shifted in time, each entity's by between a tenth and nine tenths of its length."""
    generator = numpy.random.default_rng(0)
    for _ in range(count):
        yield [
            numpy.roll(score, int(generator.integers(tenth, 9 * tenth + 1))) if (tenth := len(score) // 10) else score
            for score in scores
        ]


def chance_recall(stretches: Sequence[Stretch], scores: Sequence[Floats], threshold: float) -> float:
    """Event recall of shifted scores: what luck would find."""
    return float(numpy.mean([judge(stretches, moved, threshold).recall for moved in shifts(scores)]))


def pr_auc(target: Mask, score: Floats) -> float:
    """Average precision: the sum over thresholds of precision times the recall gained. Ties count as one threshold."""
    if not target.any():
        return math.nan
    order = numpy.argsort(-score, kind="stable")
    last = numpy.append(score[order][1:] != score[order][:-1], True)
    hits, asked = numpy.cumsum(target[order])[last], (numpy.arange(len(order)) + 1)[last]
    gained = numpy.diff(hits, prepend=0) / hits[-1]
    return float(numpy.sum(gained * hits / asked))


def roc_auc(target: Mask, score: Floats) -> float:
    """The probability that a row before an incident scores higher than a quiet one; ties count half."""
    positive = int(target.sum())
    if not 0 < positive < len(target):
        return math.nan
    _, place, count = numpy.unique(score, return_inverse=True, return_counts=True)
    rank = (numpy.cumsum(count) - (count - 1) / 2)[place]
    return float((rank[target].sum() - positive * (positive + 1) / 2) / (positive * (len(target) - positive)))


def balanced_accuracy(target: Mask, decision: Mask) -> float:
    """Mean of the shares of rows before an incident and of quiet rows that are told rightly."""
    if not 0 < int(target.sum()) < len(target):
        return math.nan
    return float(decision[target].mean() + (~decision[~target]).mean()) / 2


def best_balanced_threshold(target: Mask, score: Floats) -> float:
    """At which the balanced accuracy is highest; infinity where there is nothing to tell apart."""
    positive = int(target.sum())
    if not 0 < positive < len(target):
        return math.inf
    order = numpy.argsort(-score, kind="stable")
    ranked = target[order]
    gain = numpy.cumsum(ranked) / positive - numpy.cumsum(~ranked) / (len(target) - positive)
    last = numpy.append(score[order][1:] != score[order][:-1], True)
    return float(score[order][numpy.argmax(numpy.where(last, gain, -1.0))])


def brier_skill(target: Mask, probability: Floats) -> float:
    """Against the constant forecast of these very rows' base rate, which is the strictest constant."""
    base = float(target.mean()) if len(target) else 0.0
    if not 0 < base < 1:
        return math.nan
    return 1 - float(numpy.mean((probability - target) ** 2)) / (base * (1 - base))


def intervals(
    stretches: Sequence[Stretch], scores: Sequence[Floats], threshold: float
) -> dict[str, tuple[float, float]]:
    """90% bootstrap intervals over entities drawn with replacement; entities are what new data brings."""
    generator = numpy.random.default_rng(0)
    each = [judge([stretch], [score], threshold) for stretch, score in zip(stretches, scores, strict=True)]
    drawn: dict[str, list[float]] = {"pr_auc": [], "recall": [], "false_alarms_a_day": []}
    for _ in range(RESAMPLES if stretches else 0):
        chosen: list[int] = generator.integers(0, len(stretches), len(stretches)).tolist()
        target = numpy.concatenate([stretches[index].target for index in chosen])
        events, days = sum(each[index].events for index in chosen), sum(each[index].days for index in chosen)
        drawn["pr_auc"].append(pr_auc(target, numpy.concatenate([scores[index] for index in chosen])))
        drawn["recall"].append(sum(each[index].found for index in chosen) / events if events else math.nan)
        drawn["false_alarms_a_day"].append(
            sum(each[index].false_alarms for index in chosen) / days if days else math.nan
        )
    return {name: _middle(values) for name, values in drawn.items()}


def _middle(values: Sequence[float]) -> tuple[float, float]:
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return math.nan, math.nan
    low, high = numpy.percentile(known, [5, 95])
    return float(low), float(high)
