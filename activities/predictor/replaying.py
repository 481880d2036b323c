"""How a version of the model has done, or would have: shown once more what is kept, and held against what came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

from activities.predictor.learning import metrics
from activities.predictor.learning.episodes import Episodes
from activities.predictor.learning.metrics import Stretch
from activities.predictor.serving.answers import Prediction, Samples
from activities.predictor.serving.bundle import Bundle
from activities.predictor.serving.predictor import Predictor
from activities.predictor.stored import Kept

Floats = NDArray[numpy.float64]
Progress = Callable[[str], None]
SAID_EVERY = 2000
"""Intervals between two words of progress."""


@dataclass(frozen=True)
class Standing:
    """Figures over rows that may be asked. NaN where there was nothing to measure."""

    rows: int
    """That were asked."""
    answered: float
    """Share of them that it did not abstain at."""
    incidents: int
    base_rate: float
    """Share of the rows with a new incident within the horizon."""
    brier: float
    """Mean squared error; what is abstained at counts as the base rate."""
    brier_skill: float
    """Of what was answered: above 0, it is better than to say the base rate always."""
    pr_auc: float
    """Of what was answered; chance has the base rate."""
    recall: float
    """Share of the incidents that an alarm announced."""
    recall_by_chance: float
    """The same alarms' at other times."""
    false_alarms_a_day: float
    """For each entity."""
    lead_minutes: float
    """Median, of those that were announced."""

    def as_json(self) -> dict[str, Any]:
        """None in the place of what was not measured."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


def replay(bundle: Bundle, kept: Kept, progress: Progress) -> dict[str, Floats]:
    """By entity the probability at each of its rows; NaN where the model abstains."""
    series = {one.entity: one for one in kept.group.series}
    predictor = Predictor(bundle, list(series))
    said = {name: numpy.full(len(one.active), numpy.nan) for name, one in series.items()}
    first = min(kept.first_numbers.values())
    last = max(number + len(series[name].active) for name, number in kept.first_numbers.items())
    for number in range(first, last):
        if (number - first) % SAID_EVERY == 0:
            progress(f"interval {number - first:,} of {last - first:,}")
        places = {
            name: number - begin
            for name, begin in kept.first_numbers.items()
            if 0 <= number - begin < len(series[name].active)
        }
        predictor.observe(_samples(kept, number, places))
        for answer in predictor.predict(list(places), number):
            if isinstance(answer, Prediction):
                said[answer.entity][places[answer.entity]] = answer.probability
    return said


def standing(kept: Kept, said: Mapping[str, Floats], threshold: float, since: int) -> Standing:
    """Of the rows from interval number *since* on."""
    stretches: list[Stretch] = []
    answers: list[Floats] = []
    for one in kept.group.series:
        episodes = Episodes(one, kept.group.layout)
        begin = max(0, since - kept.first_numbers[one.entity])
        rows = numpy.flatnonzero(episodes.eligible)
        rows = rows[rows >= begin]
        starts = episodes.incidents[0]
        reach = numpy.searchsorted(rows, starts) > numpy.searchsorted(rows, starts - kept.group.layout.horizon)
        layout = kept.group.layout
        stretches.append(
            Stretch(rows, episodes.target[rows], starts[reach], layout.horizon, layout.period, layout.interval_s / 60)
        )
        answers.append(said[one.entity][rows])
    target, probability = numpy.concatenate([one.target for one in stretches]), numpy.concatenate(answers)
    answered = numpy.isfinite(probability)
    base = float(target.mean()) if len(target) else numpy.nan
    scores = [numpy.where(numpy.isfinite(answer), answer, -numpy.inf) for answer in answers]
    events = metrics.judge(stretches, scores, threshold)
    return Standing(
        rows=len(target),
        answered=float(answered.mean()) if len(target) else numpy.nan,
        incidents=events.events,
        base_rate=base,
        brier=float(numpy.mean((numpy.where(answered, probability, base) - target) ** 2)) if len(target) else numpy.nan,
        brier_skill=metrics.brier_skill(target[answered], probability[answered]),
        pr_auc=metrics.pr_auc(target[answered], probability[answered]),
        recall=events.recall,
        recall_by_chance=metrics.chance_recall(stretches, scores, threshold),
        false_alarms_a_day=events.false_alarms_a_day,
        lead_minutes=events.lead,
    )


def _samples(kept: Kept, number: int, places: Mapping[str, int]) -> Samples:
    rows = [(one, places[one.entity]) for one in kept.group.series if one.entity in places]
    business = [one.business[place] for one, place in rows if one.business is not None]
    return Samples(
        entities=[one.entity for one, _ in rows],
        row=number,
        values=numpy.array([one.values[place] for one, place in rows], dtype=numpy.float64),
        observed=numpy.array([one.observed[place] for one, place in rows]),
        active=numpy.array([one.active[place] for one, place in rows]),
        business=numpy.array(business) if business else None,
    )
