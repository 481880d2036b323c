"""The projection holds the present burn rate and says how long the budget lasts and what is lost, or why not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.objectives import wilson
from activities.predictor.projection import FEWEST_REQUESTS, PERIOD_DAYS, project
from models.catalog import Availability, BusinessValue, Catalog, Latency, Region, Service, Slos
from models.incident import Impact
from models.telemetry import USERS, Count, NoData, Window

PERIOD_MINUTES = PERIOD_DAYS * 24 * 60
CATALOG = Catalog(
    version=1,
    regions={"eu": Region()},
    services={
        "payments": Service(
            tier=1,
            regions=("eu",),
            slos=Slos(availability=Availability(objective=99), latency=Latency(objective=90, threshold_ms=100)),
            value=BusinessValue(revenue_per_minute=600, customers=30),
        )
    },
)
AWAY = NoData(service="payments", region="eu", reason="the mesh is away")


def window(requests: int, errors: int = 0, slow: int = 0, seconds: float = 60) -> Window:
    arms = {USERS: Count(requests=requests, errors=errors, slow=slow)}
    return Window(service="payments", region="eu", seconds=seconds, arms=arms)


def test_the_budget_lasts_its_period_divided_by_the_burn_rate() -> None:
    found = project(CATALOG, "payments", [window(1000, errors=100)], None)
    assert found.burn_rate == pytest.approx(10)
    assert found.budget_minutes == pytest.approx(PERIOD_MINUTES / 10)
    assert found.loss_per_minute == pytest.approx(60)
    assert found.sentence == (
        "payments burns its availability budget 10.0 times as fast as it may (100 of 1000 requests bad): "
        "a full 30-day budget lasts 3.0 days; the failed requests lose $60.00 a minute"
    )


def test_the_objective_that_burns_fastest_counts_and_slow_answers_lose_no_revenue() -> None:
    found = project(CATALOG, "payments", [window(1000, slow=500)], None)
    assert found.burn_rate == pytest.approx(5)
    assert found.loss_per_minute == 0
    assert "latency budget" in found.sentence
    assert "no loss of revenue is counted" in found.sentence


@pytest.mark.parametrize(
    ("long_errors", "trend"),
    [(100, ", and rising"), (1000, ":"), (4000, ", and falling")],
)
def test_the_short_window_gives_the_rate_and_the_long_one_the_trend(long_errors: int, trend: str) -> None:
    readings = [window(10_000, errors=long_errors, seconds=600), window(1000, errors=100, seconds=60)]
    found = project(CATALOG, "payments", readings, None)
    assert found.burn_rate == pytest.approx(10)
    assert f"bad){trend}" in found.sentence


def test_a_short_window_with_too_few_requests_gives_way_to_the_longer_one() -> None:
    few = window(FEWEST_REQUESTS - 1, errors=FEWEST_REQUESTS - 1, seconds=5)
    assert project(CATALOG, "payments", [few, window(1000, errors=20, seconds=300)], None).burn_rate == pytest.approx(2)


def test_nothing_bad_burns_nothing() -> None:
    found = project(CATALOG, "payments", [window(1000)], None)
    assert (found.burn_rate, found.budget_minutes, found.loss_per_minute) == (0, None, 0)


@pytest.mark.parametrize(
    ("readings", "reason"),
    [
        ([], "nothing was measured"),
        ([AWAY], "the mesh is away"),
        ([AWAY, window(3, errors=3)], "3 requests were measured, 20 are needed for a rate"),
        ([Window(service="payments", region="eu", seconds=1, arms={})], "0 requests were measured"),
    ],
)
def test_unknown_is_said_and_is_never_a_zero(readings: list[Window | NoData], reason: str) -> None:
    found = project(CATALOG, "payments", readings, None)
    assert (found.burn_rate, found.budget_minutes, found.loss_per_minute) == (None, None, None)
    assert reason in found.sentence
    assert found.impact.revenue_per_minute == 600


def test_a_stated_impact_outranks_the_catalog() -> None:
    stated = Impact(revenue_per_minute=50, customers=2, source="stated")
    found = project(CATALOG, "payments", [window(100, errors=100)], stated)
    assert found.impact == stated
    assert found.loss_per_minute == pytest.approx(50)
    assert found.sentence.endswith("by the stated value")


@given(st.integers(FEWEST_REQUESTS, 10**6), st.data())
def test_more_errors_never_make_the_budget_last_longer(requests: int, data: st.DataObject) -> None:
    errors = sorted(data.draw(st.lists(st.integers(1, requests), min_size=2, max_size=2)))
    less, more = (project(CATALOG, "payments", [window(requests, errors=e)], None).budget_minutes for e in errors)
    assert less is not None
    assert more is not None
    assert more <= less


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_the_interval_of_a_share_holds_the_share(bad: int, more: int) -> None:
    low, high = wilson(bad, bad + more)
    assert 0 <= low <= bad / (bad + more) <= high <= 1
    assert wilson(0, 0) == (0, 1)
