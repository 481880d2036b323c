"""What is said of an interval is the same whenever it is asked, and no stray clock or silence makes it another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy
import pytest

from activities.analytics.store import Store, StoreUnavailable, migrate, open_store, predictions, ticks
from activities.analytics.store.predictions import Trouble
from activities.analytics.store.ticks import Reading, Tick
from activities.catalogs import Catalogs
from activities.directory import Directory
from activities.predictor import contract
from activities.predictor.history import History
from activities.predictor.predicting import NOTHING_KEPT, PredictingActivities
from activities.predictor.samples import METRICS
from activities.predictor.stored import NothingKept, kept
from models.prediction import Forecasts
from tests.predictor.kept_services import INTERVAL, catalog
from tests.predictor.small_model import serve

FIRST = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) // INTERVAL
LAST = FIRST + 59


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    migrate(opened)
    serve(opened, threshold=0.0)
    yield opened
    opened.close()


def end_of(number: int) -> datetime:
    return datetime.fromtimestamp((number + 1) * INTERVAL, UTC)


def measured(number: int, ahead: timedelta = timedelta(0)) -> Tick:
    """What the schedule sees a second after the interval. *ahead*: the clock of the source."""
    look = end_of(number) + timedelta(seconds=1)
    values = numpy.random.default_rng(number).normal(50, 5, size=len(METRICS)).tolist()
    reading: Reading = ((look + ahead).timestamp(), *values)
    return Tick(number=number, at=look, samples={"payments": reading, "ledger": reading})


def silent(number: int) -> Tick:
    look = end_of(number) + timedelta(seconds=1)
    return Tick(number=number, at=look, samples={"payments": "it is away", "ledger": "it is away"})


def keep(store: Store, *looks: Tick) -> None:
    for tick in looks:
        ticks.keep(store, "eu", INTERVAL, tick, {})


def process(store: Store) -> PredictingActivities:
    return PredictingActivities(Directory(Catalogs(catalog(), lambda _: None), protect="", operate=""), store)


async def ask(activities: PredictingActivities, number: int = LAST) -> Forecasts:
    request = contract.PredictRequest(region="eu", catalog=catalog().digest, number=number)
    return await activities.predict(request)


@pytest.mark.parametrize("after", [False, True], ids=["before it is done", "after it was done"])
@pytest.mark.parametrize(("module", "name"), [(ticks, "ticks"), (ticks, "predicted"), (predictions, "raise_alarms")])
async def test_who_tries_again_is_told_the_same_by_the_same_process_and_by_another(
    store: Store, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, after: bool
) -> None:
    keep(store, *map(measured, range(FIRST, LAST + 1)))
    lasting, does = process(store), getattr(module, name)

    def fails(*given: Any) -> None:
        if after:
            does(*given)
        raise StoreUnavailable("it is away")

    with monkeypatch.context() as broken:
        broken.setattr(module, name, fails)
        with pytest.raises(StoreUnavailable):
            await ask(lasting)
    again = await ask(lasting)
    assert set(again.probabilities) == {"payments"}
    assert [alarm.at for alarm in again.alarms] == [end_of(LAST)], "the moment at which it can be raised"
    assert await ask(lasting) == await ask(process(store)) == again
    assert len(predictions.alarms(store)) == 1


async def test_what_was_said_of_a_row_is_not_said_of_the_interval_after_it(store: Store) -> None:
    keep(store, *map(measured, range(FIRST, LAST)), silent(LAST))
    lasting = process(store)
    assert "payments" in (await ask(lasting, LAST - 1)).probabilities
    for activities in (lasting, process(store)):
        assert (await ask(activities)).abstained["payments"] == NOTHING_KEPT


async def test_thirty_hours_of_silence_leave_as_many_rows_to_learn_from_as_to_predict_with(store: Store) -> None:
    back = LAST + 60
    looks = (*map(measured, range(FIRST, LAST + 1)), *map(silent, range(LAST + 1, back)))
    keep(store, *looks, *map(measured, range(back, back + 24)))
    said = await ask(process(store), back + 23)
    assert said.abstained["payments"] == "24 of 48 rows seen: too little history"
    with pytest.raises(NothingKept, match=r"the longest is 0\.5"):
        kept(store, catalog().catalog, end_of(FIRST) - timedelta(days=1), lambda _: None)


@pytest.mark.parametrize("days", [3, -3])
async def test_a_stamp_that_is_days_away_costs_that_sample_and_nothing_else(store: Store, days: int) -> None:
    stray = measured(LAST - 2, timedelta(days=days))
    keep(store, *map(measured, range(FIRST, LAST - 2)), stray, *map(measured, (LAST - 1, LAST)))
    assert "payments" in (await ask(process(store))).probabilities


def test_an_incident_is_active_in_the_row_at_whose_end_it_was_known() -> None:
    look = measured(LAST)
    for minutes, active in ((-1, True), (1, False)):
        begun = Trouble(
            region="eu", service="payments", received_at=end_of(LAST) + timedelta(minutes=minutes), ended_at=None
        )
        ((number, (row,)),) = History(["payments"], INTERVAL).follow(look, [begun])
        assert (number, row.active) == (LAST, active)
