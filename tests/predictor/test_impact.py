"""What is at risk follows from worth, traffic and earlier incidents; what is missing makes it unknown, never zero."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.predictor.impact import FEWEST_INCIDENTS, STALE, PastIncident, Traffic, risk
from models.catalog import Availability, BusinessValue, Catalog, Region, Service, Slos, TierDefaults
from models.prediction import Estimate, Risk

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HISTORY = (PastIncident(10, 0.5), PastIncident(20, 0.5), PastIncident(60, 1.0))
"""5, 10 and 60 lost minutes."""


def catalog(value: BusinessValue, tiers: dict[int, TierDefaults] | None = None, objective: float = 99.0) -> Catalog:
    slos = Slos(availability=Availability(objective=objective))
    service = Service(tier=2, regions=("eu",), slos=slos, value=value)
    return Catalog(version=1, regions={"eu": Region()}, services={"payments": service}, tiers=tiers or {})


KNOWN = catalog(BusinessValue(revenue_per_minute=100, customers=1000))


def traffic(times: float = 1.0, age: timedelta = timedelta(0)) -> Traffic:
    return Traffic(at=NOW - age, requests_per_minute=600 * times, usual=600)


USUAL = traffic()


def at_risk(
    world: Catalog = KNOWN,
    probability: float = 0.5,
    measured: Traffic | None = USUAL,
    history: Sequence[PastIncident] = HISTORY,
) -> Risk:
    return risk(world, "payments", "eu", probability, measured, history, NOW)


def figures(estimate: Estimate | None) -> tuple[float, float, float] | None:
    return (estimate.expected, estimate.low, estimate.high) if estimate else None


def test_at_risk_is_probability_times_lost_minutes_times_revenue_of_now() -> None:
    found = at_risk(measured=traffic(2.0))
    assert found.revenue_per_minute == pytest.approx(200)
    assert figures(found.loss) == pytest.approx((25 * 200, 5 * 200, 60 * 200))
    assert figures(found.revenue) == pytest.approx((25 * 100, 5 * 100, 60 * 100))
    assert figures(found.customers) == pytest.approx((2 / 3 * 1000, 500, 1000))
    assert (found.source, found.age, found.unknown) == ("catalog", 0.0, ())


def test_the_age_is_that_of_the_measurement() -> None:
    assert at_risk(measured=traffic(age=timedelta(seconds=90))).age == 90


def test_of_many_incidents_the_longest_and_shortest_tenth_are_outside_of_the_interval() -> None:
    found = at_risk(probability=1.0, history=[PastIncident(minutes, 1.0) for minutes in range(1, 22)])
    assert figures(found.revenue) == pytest.approx((1100, 300, 1900))


def test_an_incident_never_loses_less_than_the_objective_allows() -> None:
    world = catalog(BusinessValue(revenue_per_minute=100, customers=1000), objective=90.0)
    found = at_risk(world, probability=1.0, history=[PastIncident(10, 0.001)] * 3)
    assert found.revenue is not None
    assert found.revenue.expected == pytest.approx(100)


def test_what_the_catalog_says_of_a_tier_counts_and_is_labelled() -> None:
    world = catalog(BusinessValue(), {2: TierDefaults(revenue_per_minute=30, customers=7)})
    found = at_risk(world)
    assert (found.source, found.revenue_per_minute) == ("tier-default", 30)


def test_where_nobody_measured_what_incidents_lost_the_objective_is_the_least_and_everything_the_most() -> None:
    found = at_risk(history=[PastIncident(minutes, None) for minutes in (10, 20, 60)])
    assert figures(found.loss) == pytest.approx((30 * 0.01 * 100, 10 * 0.01 * 100, 60 * 100))
    assert figures(found.customers) == pytest.approx((0.5 * 10, 0.5 * 10, 0.5 * 1000))
    assert found.unknown == ()
    assert found.sentence.endswith("it is taken for what the objective forbids")


UNKNOWN = {
    "no worth": (catalog(BusinessValue()), traffic(), HISTORY, "neither what payments earns nor what tier 2 does"),
    "no traffic": (KNOWN, None, HISTORY, "the traffic of now was not measured"),
    "no usual traffic": (KNOWN, Traffic(NOW, 600, None), HISTORY, "how much traffic is usual"),
    "stale traffic": (KNOWN, traffic(age=STALE + timedelta(seconds=1)), HISTORY, "last measured 0:15:01 ago"),
    "no history": (KNOWN, traffic(), (), "there were 0 incidents: 3 are needed"),
    "too short a history": (KNOWN, traffic(), [PastIncident(9, None)] * 2, "there were 2 incidents: 3 are needed"),
}


@pytest.mark.parametrize(("world", "measured", "history", "why"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_what_is_missing_makes_the_loss_unknown_and_says_why(
    world: Catalog, measured: Traffic | None, history: Sequence[PastIncident], why: str
) -> None:
    found = at_risk(world, measured=measured, history=history)
    assert found.loss is None
    assert found.revenue is None
    assert why in found.sentence
    assert any(why in reason for reason in found.unknown)


def test_customers_may_be_known_where_the_revenue_is_not() -> None:
    found = at_risk(catalog(BusinessValue(customers=1000)))
    assert found.revenue is None
    assert found.customers is not None
    assert "customers (250 to 500) are at risk; the catalog says neither" in found.sentence


def test_the_sentence_tells_stakes_with_their_intervals() -> None:
    assert at_risk().sentence == (
        "payments in eu has a chance of 50% of an incident: $1,250 of revenue ($250 to $3,000) and 333 customers "
        "(250 to 500) are at risk"
    )


HISTORIES = st.lists(
    st.builds(PastIncident, st.floats(0, 1e4), st.none() | st.floats(0, 1)), max_size=FEWEST_INCIDENTS + 5
)


@given(
    value=st.builds(
        BusinessValue,
        revenue_per_minute=st.none() | st.floats(1, 1e6),
        customers=st.none() | st.integers(1, 10**7),
    ),
    history=HISTORIES,
    measured=st.none() | st.builds(Traffic, st.just(NOW), st.floats(1, 1e6), st.none() | st.floats(1, 1e6)),
    probability=st.floats(0.01, 1),
)
def test_a_figure_is_either_within_its_interval_or_missing_with_a_reason(
    value: BusinessValue, history: list[PastIncident], measured: Traffic | None, probability: float
) -> None:
    found = at_risk(catalog(value), probability, measured, history)
    for figure in (found.loss, found.revenue, found.customers):
        if figure:
            assert figure.low <= figure.expected * (1 + 1e-9)
            assert figure.expected <= figure.high * (1 + 1e-9)
    complete = found.revenue is not None and found.customers is not None
    assert complete == (not found.unknown)
