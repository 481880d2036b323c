"""A release has passed its soak when it had all the traffic, enough of it, for long enough, within its objectives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from models.catalog import Availability, RollbackPolicy, Slos
from models.telemetry import Count, NoData, Totals
from workers.points.soaking import Soaked, Soaking

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
POLICY = RollbackPolicy(soak=60, soak_extension=60, min_requests=50)
AWAY = NoData(service="payments", region="eu", reason="away")


def soaking() -> Soaking:
    return Soaking(Slos(availability=Availability(objective=99)), POLICY)


def reading(second: float, errors: int = 0, epoch: str = "1", **arms: int) -> Totals:
    counts = {arm: Count(requests=number, errors=errors, slow=0) for arm, number in arms.items()}
    counts["users"] = Count(requests=sum(arms.values()), errors=0, slow=0)
    return Totals(service="payments", region="eu", at=START + timedelta(seconds=second), epoch=epoch, arms=counts)


def passed(*readings: Totals | NoData) -> list[str]:
    """The releases that have passed, in order."""
    soak = soaking()
    found: list[Soaked | None] = [soak.add(one) for one in readings]
    return [one.release for one in found if one]


def test_a_release_passes_after_its_soak_and_no_sooner() -> None:
    assert passed(reading(0, v1=0), reading(59, v1=500)) == []
    assert passed(reading(0, v1=0), reading(59, v1=500), reading(61, v1=510)) == ["v1"]


def test_it_passes_again_only_after_another_whole_soak() -> None:
    assert passed(*(reading(second, v1=second * 10) for second in range(0, 181, 15))) == ["v1"] * 3


@pytest.mark.parametrize(
    "readings",
    [
        [reading(0, v1=0), reading(61, v1=49)],
        [reading(0, v1=0, v2=0), reading(61, v1=500, v2=1)],
        [reading(0, v1=0), reading(61, v1=0)],
        [reading(0, v1=0), reading(61, v1=500, errors=30)],
        [reading(0, v1=0), reading(61, v1=500, epoch="2")],
        [reading(0, v1=0), AWAY],
    ],
    ids=["too few", "shared", "no traffic", "too many errors", "counted anew", "no data"],
)
def test_what_is_not_shown_does_not_pass(readings: list[Totals | NoData]) -> None:
    assert passed(*readings) == []


def test_a_release_that_failed_begins_a_new_soak() -> None:
    bad = [reading(0, v1=0), reading(30, v1=300, errors=100)]
    assert passed(*bad, reading(61, v1=600, errors=100)) == []
    assert passed(*bad, reading(61, v1=600, errors=100), reading(91, v1=900, errors=100)) == ["v1"]


def test_the_canary_of_a_minute_ago_does_not_stand_in_the_way_for_ever() -> None:
    shared = [reading(0, v1=0, v2=0), reading(100, v1=900, v2=50), reading(121, v1=1000, v2=50)]
    assert passed(*shared, reading(182, v1=1500, v2=50)) == ["v1"]


def test_a_gap_in_the_telemetry_is_not_held_against_it() -> None:
    assert passed(reading(0, v1=0), AWAY, reading(61, v1=500)) == ["v1"]
