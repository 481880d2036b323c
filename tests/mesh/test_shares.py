"""What a cap makes of the shares, and what a service's fields mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.catalog import Availability, Service, Slos
from models.receipt import Fields
from workers.mesh import routing

RELEASES = ("v1", "v2", "v3")


@st.composite
def shares(draw: st.DrawFn) -> dict[str, int]:
    first = draw(st.integers(0, 100))
    second = draw(st.integers(0, 100 - first))
    return {"v1": first, "v2": second, "v3": 100 - first - second}


@given(shares(), st.sampled_from(RELEASES), st.integers(0, 100), st.frozensets(st.sampled_from(RELEASES)))
def test_a_cap_keeps_the_sum_bounds_the_newest_and_gives_only_to_who_can_answer(
    before: dict[str, int], newest: str, percent: int, able: frozenset[str]
) -> None:
    after = routing.capped(before, newest, percent, able)
    assert sum(after.values()) == 100
    if able - {newest}:
        assert after[newest] == min(before[newest], percent)
        assert all(after[r] <= before[r] for r in RELEASES if r not in able | {newest})
    else:
        assert after == before


@pytest.mark.parametrize(
    ("before", "percent", "after"),
    [
        ({"v1": 0, "v2": 100}, 10, {"v1": 90, "v2": 10}),
        ({"v1": 90, "v2": 10}, 10, {"v1": 90, "v2": 10}),
        ({"v1": 30, "v2": 40, "v3": 30}, 0, {"v1": 50, "v2": 0, "v3": 50}),
        ({"v1": 10, "v2": 70, "v3": 20}, 1, {"v1": 33, "v2": 1, "v3": 66}),
    ],
)
def test_the_rest_is_split_in_proportion(before: dict[str, int], percent: int, after: dict[str, int]) -> None:
    assert routing.capped(before, "v2", percent, frozenset(before)) == after


@pytest.mark.parametrize(
    ("releases", "fields", "found", "weights"),
    [
        (("v1",), {}, {"v1", "v2"}, {"v1": 100, "v2": 0}),
        ((), {}, {"v7"}, {"v7": 100}),
        (("v1",), {"weight/v2": 100, "weight/v1": 0}, set(), {"v1": 0, "v2": 100}),
        (("v1",), {"drain/v2": True}, set(), {"v1": 100, "v2": 0}),
        ((), {}, set(), {}),
    ],
)
def test_shares_are_those_of_the_fields_and_before_there_are_any_the_catalog_s_newest_has_all(
    releases: tuple[str, ...], fields: Fields, found: set[str], weights: dict[str, int]
) -> None:
    slos = Slos(availability=Availability(objective=99.9))
    service = Service(tier=1, regions=("eu",), releases=releases, slos=slos)
    assert routing.weights(service, fields, found) == weights
