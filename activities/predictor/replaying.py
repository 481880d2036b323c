"""How a version of the model has done, or would have: shown once more what is kept, and held against what came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import numpy
from numpy.typing import NDArray

from activities.predictor.layout import Layout
from activities.predictor.learning import metrics
from activities.predictor.learning.episodes import Episodes, Mask, Rows
from activities.predictor.learning.metrics import Stretch
from activities.predictor.predicting import ModelOfAnotherLayout
from activities.predictor.serving.answers import Prediction, Samples
from activities.predictor.serving.bundle import Bundle
from activities.predictor.serving.predictor import Predictor
from activities.predictor.stored import Kept

Floats = NDArray[numpy.float64]
Progress = Callable[[str], None]
SAID_EVERY = 2000
"""Intervals between two words of progress."""
LOOKED_AT = timedelta(days=7)
"""The newest part, of which features are handed out."""
MOST_LOOKS = 1000
"""Rows of one entity of which they are."""
RESAMPLES = 500
SURE = 0.9
"""Share of the resamples in which what is better must be so."""


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


@dataclass(frozen=True)
class Replayed:
    """What a model says of everything that is kept."""

    said: dict[str, Floats]
    """By entity the probability at each of its rows; NaN where the model abstains."""
    features: NDArray[numpy.float64]
    """[n, F] of the newest rows that may be asked, as it was shown them, of the entities that it has learned from:
    ordered by entity and time."""


def fitting(bundle: Bundle, layout: Layout) -> Bundle:
    """*bundle*. Raises ModelOfAnotherLayout where it cannot be shown rows that are laid out so."""
    if bundle.manifest.layout != layout:
        raise ModelOfAnotherLayout(
            "it was learned for other intervals, horizons or metrics than the catalog's `prediction` asks for: learn "
            "anew with `sternway predict train`"
        )
    return bundle


def replay(bundle: Bundle, kept: Kept, progress: Progress) -> Replayed:
    """Raises :class:`~activities.predictor.predicting.ModelOfAnotherLayout` where *bundle* was not learned for such
    rows."""
    fitting(bundle, kept.group.layout)
    series = {one.entity: one for one in kept.group.series}
    predictor = Predictor(bundle, list(series))
    said = {name: numpy.full(len(one.active), numpy.nan) for name, one in series.items()}
    first = min(kept.first_numbers.values())
    last = max(number + len(series[name].active) for name, number in kept.first_numbers.items())
    looks = _looks(bundle, kept, last)
    features: dict[str, list[NDArray[numpy.float32]]] = {name: [] for name in looks}
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
        for name, places_of in looks.items():
            if number in places_of:
                features[name].append(predictor.features(name))
    rows = [row for of_one in features.values() for row in of_one]
    return Replayed(said, numpy.array(rows, dtype=numpy.float64).reshape(len(rows), len(predictor.names)))


def _looks(bundle: Bundle, kept: Kept, last: int) -> dict[str, frozenset[int]]:
    """By entity the interval numbers at which features are handed out, evenly over the newest part."""
    newest = int(LOOKED_AT.total_seconds()) // kept.group.layout.interval_s
    found: dict[str, frozenset[int]] = {}
    for one in kept.group.series:
        numbers = kept.first_numbers[one.entity] + numpy.flatnonzero(Episodes(one, kept.group.layout).eligible)
        numbers = numbers[numbers >= last - newest][:: max(1, newest // MOST_LOOKS)]
        if one.entity in bundle.manifest.entities:
            found[one.entity] = frozenset(numbers.tolist())
    return found


def standing(kept: Kept, said: Mapping[str, Floats], threshold: float, since: Mapping[str, int]) -> Standing:
    """Of the rows of each entity from interval number *since* on."""
    stretches = _asked(kept, since)
    answers = [said[one.entity][stretch.rows] for one, stretch in zip(kept.group.series, stretches, strict=True)]
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
        brier=float(numpy.mean(_squared(probability, target, base))) if len(target) else numpy.nan,
        brier_skill=metrics.brier_skill(target[answered], probability[answered]),
        pr_auc=metrics.pr_auc(target[answered], probability[answered]),
        recall=events.recall,
        recall_by_chance=metrics.chance_recall(stretches, scores, threshold),
        false_alarms_a_day=events.false_alarms_a_day,
        lead_minutes=events.lead,
    )


def surely_better(
    kept: Kept, own: Mapping[str, Floats], other: Mapping[str, Floats], gain: float, since: Mapping[str, int]
) -> bool:
    """Whether the error of *own* is smaller by the share *gain* than that of *other*, on the same rows as `standing`
    and whichever days of these were drawn: rows of a day are too much alike to be drawn one by one."""
    stretches = _asked(kept, since)
    base = float(numpy.concatenate([one.target for one in stretches]).mean())
    gains: list[Floats] = []
    for one, stretch in zip(kept.group.series, stretches, strict=True):
        errors = [_squared(said[one.entity][stretch.rows], stretch.target, base) for said in (own, other)]
        days = numpy.unique(stretch.rows // stretch.rows_a_day, return_inverse=True)[1]
        gained: Floats = (1 - gain) * errors[1] - errors[0]
        gains.append(numpy.bincount(days, gained).astype(numpy.float64))
    each = numpy.concatenate(gains)
    drawn = numpy.random.default_rng(0).multinomial(len(each), numpy.full(len(each), 1 / len(each)), RESAMPLES)
    return bool(each.sum() > 0 and (drawn @ each > 0).mean() >= SURE)


def _asked(kept: Kept, since: Mapping[str, int]) -> list[Stretch]:
    """By entity the rows from interval number *since* on."""
    found: list[Stretch] = []
    for one in kept.group.series:
        episodes = Episodes(one, kept.group.layout)
        rows: Rows = numpy.flatnonzero(episodes.eligible)
        found.append(Stretch.of(episodes, rows[rows >= since[one.entity] - kept.first_numbers[one.entity]]))
    return found


def _squared(probability: Floats, target: Mask, base: float) -> Floats:
    """Errors; what is abstained at counts as the *base* rate."""
    return (numpy.where(numpy.isfinite(probability), probability, base) - target) ** 2


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
