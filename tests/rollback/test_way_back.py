"""The way back leads from what was deployed last and serves, to what was deployed before it; or it is a hold."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_states import RELEASES, state, states

from activities.rollback.target import way_back
from models.service_state import ServiceState


@pytest.mark.parametrize(
    ("weights", "deployed", "known", "bad", "target"),
    [
        ({"v2": 100, "v1": 0}, ["v2", "v1"], [], "v2", "v1"),
        ({"v2": 100}, ["v2", "v2", "v1"], [], "v2", "v1"),
        ({"v3": 100}, ["v3", "v2", "v1"], ["v1"], "v3", "v2"),
        ({"v2": 100}, ["v3", "v2", "v1"], [], "v2", None),
        ({"v2": 100}, ["v1"], [], "v2", "v1"),
        ({"v2": 100}, ["v2"], ["v1"], "v2", "v1"),
        ({"v2": 100}, [], ["v3", "v2", "v1"], "v2", "v1"),
        ({"v9": 100}, [], ["v3", "v2"], "v9", "v3"),
        ({"v1": 100}, ["v2", "v1"], ["v1"], "v1", None),
        ({"v2": 100}, ["v2"], ["v2"], "v2", None),
        ({"v2": 0, "v1": 0}, ["v2", "v1"], ["v1"], None, None),
        ({}, ["v2", "v1"], ["v1"], None, None),
    ],
    ids=[
        "the one deployed before",
        "deployed twice in a row",
        "the history comes before the catalog",
        "taken back from a newer one already: going further is for a person",
        "the platform does not know what serves",
        "the catalog helps out",
        "the catalog alone, older than the bad one",
        "neither knows what serves",
        "already on the oldest",
        "only one release is known",
        "nothing is routed",
        "no weights at all",
    ],
)
def test_the_way_back(
    weights: dict[str, int], deployed: Sequence[str], known: Sequence[str], bad: str | None, target: str | None
) -> None:
    way = way_back(state(weights, deployed=deployed), known, {})
    assert (way.bad, way.target) == (bad, target)


@pytest.mark.parametrize(
    ("weights", "deployed", "bad"),
    [
        ({"v3": 10, "v2": 90}, ["v3", "v2", "v1"], "v3"),
        ({"v2": 50, "v1": 50}, ["v2", "v1"], "v2"),
        ({"v2": 40, "v1": 60}, [], "v1"),
        ({"v9": 60, "v1": 40}, ["v1"], "v9"),
    ],
    ids=[
        "a new release with a small share",
        "half and half",
        "no history: the largest share",
        "unknown: largest share",
    ],
)
def test_of_several_releases_the_one_deployed_last_is_the_bad_one(
    weights: dict[str, int], deployed: Sequence[str], bad: str
) -> None:
    assert way_back(state(weights, deployed=deployed), (), {}).bad == bad


@pytest.mark.parametrize(
    ("weights", "deployed", "sentence"),
    [
        ({"v2": 100}, ["v2", "v1"], "v1 was deployed before v2"),
        ({"v2": 100}, [], "v1 is known to work"),
        ({}, [], "nothing of payments is routed in eu, so there is nothing to go back from"),
        ({"v1": 100}, [], "no release older than v1 is known: neither the platform nor the catalog names one"),
    ],
)
def test_the_way_says_why(weights: dict[str, int], deployed: Sequence[str], sentence: str) -> None:
    assert way_back(state(weights, deployed=deployed), ("v1",), {}).sentence == sentence


def test_a_release_that_is_closed_is_passed_over_with_its_reason() -> None:
    now, closed = state({"v3": 100}, deployed=["v3", "v2", "v1"]), {"v2": "it is held"}
    way = way_back(now, (), closed)
    assert (way.target, way.sentence) == ("v1", "v1 was deployed before v3; not v2: it is held")
    none = way_back(now, (), closed | {"v1": "it cannot be run"})
    assert none.target is None
    assert none.sentence == "no release older than v3 can be gone back to: not v2: it is held; not v1: it cannot be run"


REASONS = st.dictionaries(st.sampled_from(RELEASES), st.just("it is held"))


@given(states(), st.lists(st.sampled_from(RELEASES), unique=True), REASONS)
def test_the_bad_release_serves_and_the_target_is_another_known_one_that_is_not_closed(
    now: ServiceState, known: list[str], closed: dict[str, str]
) -> None:
    way = way_back(now, known, closed)
    assert (way.bad is None) is (not any(now.weights.values()))
    if way.bad is not None:
        assert now.weights[way.bad] > 0
    if way.target is not None:
        assert way.bad is not None
        assert way.target != way.bad
        assert way.target not in closed
        assert way.target in {deployment.release for deployment in now.deployments} | set(known)
