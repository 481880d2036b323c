"""Answers, from samples as they come, how likely a new incident is: scale, detectors, features, members, decision.

All of it in one process and one thread, for all entities of one model. What it remembers of an entity comes from the
samples alone, so that a pool that starts again gets its memory back by showing it the stored samples once more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy
from numpy.typing import NDArray

from activities.predictor.detectors.scale import Scale
from activities.predictor.detectors.scoring import Detectors
from activities.predictor.explanation import Explanation, explain
from activities.predictor.features.bank import FeatureBank
from activities.predictor.features.business import NUMBERS
from activities.predictor.features.rings import Indices
from activities.predictor.inference import GraphRefused, Inference
from activities.predictor.learning.shrinkage import log_odds
from activities.predictor.serving.answers import Abstention, Answer, Prediction, Samples
from activities.predictor.serving.bundle import Bundle
from activities.predictor.serving.cache import AnswerCache
from activities.predictor.serving.tracks import NEVER, Rows, Tracks
from models.base import SternwayError


class SamplesRefused(SternwayError):
    """They do not fit the model at all. None was taken in."""


class Predictor:
    """Not to be shared by threads: a call changes what the next one sees."""

    def __init__(self, bundle: Bundle, entities: Sequence[str]) -> None:
        """*entities*: all that will be watched. Those that the model did not learn from are measured by the group's
        prior; they are spoken of only where entities are units that no model can have seen before.

        Raises :class:`~activities.predictor.inference.GraphRefused`.
        """
        manifest = bundle.manifest
        self.manifest = manifest
        self.cache = AnswerCache()
        self._layout = manifest.layout
        self._number = {entity: number for number, entity in enumerate(dict.fromkeys(entities))}
        self._entities = tuple(self._number)
        known = {entity: number for number, entity in enumerate(manifest.entities)}
        place = [known.get(entity, len(known)) for entity in self._entities]
        self._scale = Scale(bundle.scale.centre[place], bundle.scale.width[place])
        self._reference = bundle.reference[place]
        self._detectors = Detectors(bundle.detectors)
        self._bank = FeatureBank(manifest.layout, len(self._entities), manifest.detectors)
        self.names = self._bank.names
        """Of the features."""
        self._members = Inference(bundle.members, numpy.float32)
        if (self._members.inputs, self._members.outputs) != (len(self.names), len(manifest.members)):
            raise GraphRefused(
                f"the graph of the members takes {self._members.inputs} features to {self._members.outputs} members, "
                f"and the manifest says {len(self.names)} and {len(manifest.members)}: export the model again"
            )
        self._usual = bundle.levels[len(bundle.levels) // 2]
        self._tracks = Tracks(manifest.layout, len(self._entities))
        self._features: NDArray[numpy.float32] = numpy.zeros(
            (len(self._entities), len(self.names)), dtype=numpy.float32
        )
        fallen_back = set(manifest.fallen_back)
        self._fallen_back: NDArray[numpy.bool_] = numpy.array([entity in fallen_back for entity in self._entities])
        self._silent = [self._standing(entity, entity in known) for entity in self._entities]
        self._horizon_minutes = manifest.layout.horizon * manifest.layout.interval_s / 60

    def _standing(self, entity: str, known: bool) -> str | None:
        """Why nothing is ever said of *entity* by this model."""
        if self.manifest.abstains:
            return "; ".join(self.manifest.abstains)
        if entity in self.manifest.silent:
            return self.manifest.silent[entity]
        if not known and self._layout.period:
            return "the model has not learned from it, and what is learned of others does not carry over: train again"
        if numpy.isinf(self._scale.width[self._number[entity]]).all():
            return "no metric ever changed in the rows that it is measured by"
        return None

    def observe(self, samples: Samples) -> tuple[Abstention, ...]:
        """Take in what came for one row of the grid, and make features of it.

        Returns those whose sample could not be taken in, and why; they stay as they were, and so have no answer for
        this row. What begins anew is forgotten even then. Raises :class:`SamplesRefused` where the call as a whole
        makes no sense.
        """
        which = self._which(samples.entities)
        self._check(which, samples)
        if samples.anew is not None:
            self._forget(which[samples.anew])
        refused = self._tracks.refusals(which, samples)
        rows = self._tracks.filled(which, samples)
        if refused:
            kept = numpy.ones(len(which), dtype=numpy.bool_)
            kept[list(refused)] = False
            which, rows = which[kept], rows.where(kept)
        if len(which):
            self._fill_gaps(which, samples.row)
            self._take(which, rows)
        return tuple(Abstention(samples.entities[place], samples.row, reason) for place, reason in refused.items())

    def predict(self, entities: Sequence[str], row: int) -> tuple[Answer, ...]:
        """What is to be said of each of *entities* at *row*, which must be the latest that it has a sample of.

        Raises :class:`SamplesRefused` where one is not watched.
        """
        which = self._which(entities)
        answers: dict[int, Answer] = {}
        asked: list[int] = []
        latest, generations = self._tracks.row[which].tolist(), self._tracks.generation[which].tolist()
        for place, entity in enumerate(entities):
            if latest[place] != row:
                answers[place] = Abstention(entity, row, _not_latest(latest[place], row))
            elif (known := self.cache.get(entity, generations[place])) is not None:
                answers[place] = known
            else:
                asked.append(place)
        for place, answer in zip(asked, self._answers(which[asked]) if asked else (), strict=True):
            self.cache.put(entities[place], generations[place], answer)
            answers[place] = answer
        return tuple(answers[place] for place in range(len(entities)))

    def features(self, entity: str) -> NDArray[numpy.float32]:
        """The latest features, in the order of :attr:`names`: for the explanation of an alarm, and for drift."""
        return self._features[self._which([entity])[0]].copy()

    def explain(self, entity: str) -> Explanation:
        """Why the latest row of *entity* is scored as it is, against what is usual. Takes some milliseconds."""
        number = int(self._which([entity])[0])

        def score(rows: NDArray[numpy.float32]) -> NDArray[numpy.float64]:
            odds = log_odds(self._members(rows))
            return odds[:, 0] if self._fallen_back[number] else self.manifest.combiner(odds)

        return explain(self._features[number], self._usual, self._bank.columns, score)

    def _which(self, entities: Sequence[str]) -> Indices:
        try:
            return numpy.array([self._number[entity] for entity in entities], dtype=numpy.intp)
        except KeyError as error:
            raise SamplesRefused(f"{error.args[0]!r} is not watched: name it when the predictor is made") from None

    def _check(self, which: Indices, samples: Samples) -> None:
        count = len(which)
        wanted = {
            "values": (samples.values, (count, len(self._layout.metrics))),
            "observed": (samples.observed, (count,)),
            "active": (samples.active, (count,)),
        }
        if samples.business is not None:
            wanted["business"] = (samples.business, (count, len(NUMBERS)))
        if samples.anew is not None:
            wanted["anew"] = (samples.anew, (count,))
        for name, (array, shape) in wanted.items():
            if array.shape != shape:
                raise SamplesRefused(f"{name} of {count} entities has the shape {array.shape}, and must have {shape}")
        if (samples.business is not None) != self._layout.business:
            raise SamplesRefused(f"the model's layout says business={self._layout.business}, and the samples do not")
        if len(set(samples.entities)) < count:
            raise SamplesRefused("an entity comes twice in one call: give its rows one after the other")

    def _fill_gaps(self, which: Indices, row: int) -> None:
        gaps = self._tracks.gaps(which, row)
        if not gaps.any():
            return
        long = which[gaps > self._tracks.memory]
        self._forget(long)
        gaps[gaps > self._tracks.memory] = 0
        for remaining in range(int(gaps.max()), 0, -1):
            behind = which[gaps >= remaining]
            self._take(behind, self._tracks.missing(behind))

    def _forget(self, which: Indices) -> None:
        self._bank.forget(which)
        self._tracks.forget(which)

    def _take(self, which: Indices, rows: Rows) -> None:
        scaled = Scale(self._scale.centre[which], self._scale.width[which])(rows.values)
        ranks = self._detectors.rank(self._detectors.score(scaled), self._reference[which])
        period = self._layout.period
        slot = rows.row % period if period else numpy.zeros_like(rows.row)
        business = rows.business if self._layout.business else None
        self._features[which] = self._bank.observe(which, scaled, ranks, rows.observed, rows.active, slot, business)
        self._tracks.take(which, rows)

    def _answers(self, which: Indices) -> list[Answer]:
        objections = self._tracks.objections(which)
        numbers: list[int] = which.tolist()
        reasons = [self._silent[number] or objections.get(place) for place, number in enumerate(numbers)]
        spoken = [place for place, reason in enumerate(reasons) if reason is None]
        probability = iter(self._probability(which[spoken]).tolist() if spoken else ())
        rows, generations = self._tracks.row[which].tolist(), self._tracks.generation[which].tolist()
        answers: list[Answer] = []
        for place, number in enumerate(numbers):
            entity, row, reason = self._entities[number], rows[place], reasons[place]
            if reason is None:
                answers.append(
                    Prediction(
                        entity,
                        row,
                        generations[place],
                        next(probability),
                        self.manifest.threshold,
                        self._horizon_minutes,
                    )
                )
            else:
                answers.append(Abstention(entity, row, reason))
        return answers

    def _probability(self, which: Indices) -> NDArray[numpy.float64]:
        odds = log_odds(self._members(self._features[which]))
        together = self.manifest.calibration(self.manifest.combiner(odds))
        fallen_back = self._fallen_back[which]
        if not fallen_back.any():
            return together
        return numpy.where(fallen_back, self.manifest.persistence(odds[:, 0]), together)


def _not_latest(latest: int, row: int) -> str:
    if latest == NEVER:
        return "no sample of it has come yet"
    return f"the latest sample that could be taken in is of row {latest}, and row {row} was asked"
