"""Predictions of a region's services: the model that serves, shown the intervals that are kept, one after the other.

What a process remembers of the services comes from the store alone: one that starts, or was killed, reads it again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy
from temporalio import activity

from activities.analytics.store import Store, StoreUnavailable, prediction_models, predictions, ticks
from activities.directory import Directory
from activities.predictor import contract, explanation
from activities.predictor.history import EntityRow, History, business_of, entity, layout_of
from activities.predictor.serving.answers import Abstention, Answer, Prediction, Samples
from activities.predictor.serving.bundle import read
from activities.predictor.serving.predictor import Predictor
from models.base import SternwayError
from models.catalog import Catalog
from models.prediction import Alarm, Contribution, Forecasts

REMEMBERED = timedelta(days=14)
"""How far back a process that starts reads: what happens on one day of the week is seen twice."""
AT_ONCE = 500
"""Intervals that are read in one go."""

NO_MODEL = "no model predicts yet: learn one with `sternway predict train`"
NOTHING_KEPT = "nothing was measured of it in this interval"


class ModelOfAnotherLayout(SternwayError):
    """What is measured now is not what the model was learned from."""


class RegionPredictor:
    """One model and one region. Blocks; not to be shared by threads."""

    def __init__(self, store: Store, catalog: Catalog, region: str, version: int) -> None:
        """Raises :class:`~activities.predictor.serving.bundle.BundleRefused` where the version cannot be served."""
        self.version = version
        self._store = store
        self._catalog = catalog
        self._region = region
        self._interval = catalog.prediction.interval
        self.services = tuple(name for name, service in catalog.services.items() if region in service.regions)
        bundle = read(prediction_models.bundle(store, version))
        if bundle.manifest.layout != layout_of(catalog):
            raise ModelOfAnotherLayout(
                f"version {version} was learned for other intervals, horizons or metrics than the catalog's "
                "`prediction` asks for: learn anew with `sternway predict train`"
            )
        self.predictor = Predictor(bundle, [entity(region, service) for service in self.services])
        self._history = History(self.services, self._interval)
        self._last = 0
        self._newest: dict[str, tuple[int, int]] = {}
        """By service its newest row, after the interval that brought it."""

    def follow(self, number: int) -> dict[str, Answer]:
        """What is to be said of each service at interval *number*, after all intervals up to it were looked at.

        Asked again, it says the same: what has been looked at is remembered, and where it fails it goes on from there.
        """
        rows = int(REMEMBERED.total_seconds()) // self._interval
        self._last = max(self._last, number - rows)
        while kept := ticks.ticks(self._store, self._region, self._interval, self._last, AT_ONCE):
            troubles = predictions.troubles(self._store, self._region, kept[0].at - timedelta(days=1))
            for tick in kept:
                if tick.number > number:
                    break
                for row_number, rows_of in self._history.follow(tick, troubles):
                    self.predictor.observe(self._samples(row_number, rows_of))
                    self._newest |= {one.service: (tick.number, row_number) for one in rows_of}
                self._last = tick.number
            if kept[-1].number >= number:
                break
        return self._answers({service: row for service, (tick, row) in self._newest.items() if tick == number})

    def alarm(self, service: str, prediction: Prediction) -> Alarm:
        """What is told of a prediction that is worth an alarm, with what speaks for it."""
        explained = self.predictor.explain(prediction.entity)
        begins = datetime.fromtimestamp((prediction.row + 1) * self._interval, UTC)
        return Alarm(
            id=f"{self._region}/{service}/{prediction.row}",
            region=self._region,
            service=service,
            at=begins,
            until=begins + timedelta(minutes=prediction.horizon_minutes),
            model=self.version,
            probability=prediction.probability,
            threshold=prediction.threshold,
            contributions=tuple(map(_contribution, explained.features)),
            metrics=tuple(map(_contribution, explained.subjects)),
        )

    def _answers(self, rows: dict[str, int]) -> dict[str, Answer]:
        """By service, at its row."""
        found: dict[str, Answer] = {}
        for row in sorted(set(rows.values())):
            services = [service for service, newest in rows.items() if newest == row]
            answers = self.predictor.predict([entity(self._region, service) for service in services], row)
            found |= dict(zip(services, answers, strict=True))
        return found

    def _samples(self, number: int, rows: Sequence[EntityRow]) -> Samples:
        values = numpy.array([one.row.values for one in rows], dtype=numpy.float64)
        return Samples(
            entities=[entity(self._region, one.service) for one in rows],
            row=number,
            values=values,
            observed=numpy.array([one.row.observed for one in rows], dtype=numpy.bool_),
            active=numpy.array([one.active for one in rows], dtype=numpy.bool_),
            business=business_of(self._catalog, [one.service for one in rows], values),
            anew=numpy.array([one.row.anew for one in rows], dtype=numpy.bool_),
        )


def _contribution(told: explanation.Contribution) -> Contribution:
    return Contribution(
        feature=told.name,
        category=told.category,
        value=told.value,
        usual=told.usual,
        log_odds=told.log_odds,
        sentence=told.sentence,
    )


class PredictingActivities:
    """Of one process, which holds the model and the memory of each region that it is asked for."""

    def __init__(self, directory: Directory, store: Store) -> None:
        self._directory = directory
        self._store = store
        self._regions: dict[str, tuple[str, RegionPredictor]] = {}
        """With the catalog's digest."""
        self._one_at_a_time: dict[str, threading.Lock] = {}
        """By region: an attempt that was given up goes on in its thread, and must not meet the next one."""

    @activity.defn(name=contract.PREDICT.name)
    async def predict(self, request: contract.PredictRequest) -> Forecasts:
        """Of every service of the region, for the interval that was just measured."""
        catalog = await self._directory.pinned(request.catalog)
        return await asyncio.to_thread(self._predict, request, catalog)

    def _predict(self, request: contract.PredictRequest, catalog: Catalog) -> Forecasts:
        with self._one_at_a_time.setdefault(request.region, threading.Lock()):
            services = [name for name, service in catalog.services.items() if request.region in service.regions]
            interval = catalog.prediction.interval
            try:
                region = self._region(request, catalog)
            except StoreUnavailable:
                raise
            except SternwayError as unusable:  # the services are abstained from, and told why
                why = dict.fromkeys(services, str(unusable))
                ticks.predicted(self._store, request.region, interval, request.number, None, {}, why)
                return _forecasts(request, None, {}, why)
            answers = region.follow(request.number)
            said = {service: answer for service, answer in answers.items() if isinstance(answer, Prediction)}
            probabilities = {service: answer.probability for service, answer in said.items()}
            abstained = {
                service: answer.reason if isinstance(answer := answers.get(service), Abstention) else NOTHING_KEPT
                for service in services
                if service not in said
            }
            ticks.predicted(
                self._store, request.region, interval, request.number, region.version, probabilities, abstained
            )
            raised = [region.alarm(service, answer) for service, answer in said.items() if answer.alarm]
            told = predictions.raise_alarms(self._store, raised)
            return _forecasts(request, region.version, probabilities, abstained, tuple(told))

    def _region(self, request: contract.PredictRequest, catalog: Catalog) -> RegionPredictor:
        """That of the version which is current now. Raises :class:`~models.base.SternwayError` where none can serve."""
        current = prediction_models.current(self._store)
        if current is None:
            raise SternwayError(NO_MODEL)
        digest, known = self._regions.get(request.region, ("", None))
        if known is None or digest != request.catalog or known.version != current.version:
            known = RegionPredictor(self._store, catalog, request.region, current.version)
            self._regions[request.region] = request.catalog, known
        return known


def _forecasts(
    request: contract.PredictRequest,
    model: int | None,
    probabilities: dict[str, float],
    abstained: dict[str, str],
    alarms: tuple[Alarm, ...] = (),
) -> Forecasts:
    return Forecasts(
        region=request.region,
        number=request.number,
        model=model,
        probabilities=probabilities,
        abstained=abstained,
        alarms=alarms,
    )
