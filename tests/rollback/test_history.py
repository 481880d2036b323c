"""One history of what was deployed, by everybody's word; what ends a hold, and what lets a release be gone back to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.rollback.history import SAME, closing, merged, newer_release
from models.deployment import Deployment
from models.hold import STERNWAY, Hold
from models.point import RollbackPoint, Why
from models.verdict import Finding

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(release: str, minutes_ago: float) -> Deployment:
    return Deployment(release=release, at=NOW - timedelta(minutes=minutes_ago))


events = st.lists(st.builds(at, st.sampled_from(["v1", "v2", "v3"]), st.integers(0, 100)), max_size=8)
histories = events.map(lambda found: tuple(sorted(found, key=lambda one: one.at, reverse=True)))
"""As a platform has them."""


@given(histories, events)
def test_the_history_is_newest_first_and_keeps_the_platforms_own_order(
    platform: tuple[Deployment, ...], told: list[Deployment]
) -> None:
    history = merged(platform, told)
    assert [one.at for one in history] == sorted((one.at for one in history), reverse=True)
    left = iter(history)
    assert all(any(one is found for found in left) for one in platform)


@given(histories, events)
def test_every_deployment_that_was_told_is_there_or_one_of_the_same_release_about_then(
    platform: tuple[Deployment, ...], told: list[Deployment]
) -> None:
    history = merged(platform, told)
    assert all(one in (*platform, *told) for one in history)
    for event in told:
        assert any(one.release == event.release and abs(one.at - event.at) <= SAME for one in history)


@given(histories, events)
def test_telling_it_again_or_in_another_order_changes_nothing(
    platform: tuple[Deployment, ...], told: list[Deployment]
) -> None:
    history = merged(platform, told)
    assert merged(platform, told + told) == history
    distinct = {event.at: event for event in told}.values()
    assert merged(platform, distinct) == merged(platform, reversed(list(distinct)))


@given(histories)
def test_the_platform_alone_is_left_as_it_is(platform: tuple[Deployment, ...]) -> None:
    assert merged(platform, ()) == platform


def test_a_platform_whose_clock_was_set_back_keeps_its_order() -> None:
    platform = (at("v2", 30), at("v1", 10))
    assert [one.release for one in merged(platform, [])] == ["v2", "v1"]


@pytest.mark.parametrize(
    ("platform", "told", "history"),
    [
        ([at("v1", 60)], [at("v2", 5)], ["v2", "v1"]),
        ([at("v2", 9), at("v1", 60)], [at("v2", 5)], ["v2", "v1"]),
        ([at("v2", 9), at("v1", 60)], [at("v2", 14)], ["v2", "v1"]),
        ([at("v2", 60)], [at("v2", 5)], ["v2", "v2"]),
        ([at("v1", 9), at("v2", 12)], [at("v1", 14)], ["v1", "v2", "v1"]),
        ([], [at("v2", 5), at("v2", 6)], ["v2"]),
    ],
    ids=[
        "the platform does not know it",
        "told after the rollout",
        "told before the rollout",
        "deployed again much later",
        "another release in between",
        "told twice",
    ],
)
def test_what_is_told_and_what_was_seen(
    platform: Sequence[Deployment], told: Sequence[Deployment], history: list[str]
) -> None:
    assert [one.release for one in merged(platform, told)] == history


def hold(minutes_ago: float = 10, **changed: object) -> Hold:
    values: dict[str, object] = {
        "service": "payments",
        "region": "eu",
        "release": "v2",
        "by": "Sternway",
        "reason": "rolled back to v1",
        "since": NOW - timedelta(minutes=minutes_ago),
        "incident": "I",
    }
    return Hold.model_validate(values | changed)


BEFORE = (at("v2", 30), at("v1", 60))


@pytest.mark.parametrize(
    ("since", "ends_it"),
    [
        ((), None),
        ((at("v2", 5),), None),
        ((at("v1", 5),), None),
        ((at("v3", 5),), "v3"),
        ((at("v4", 2), at("v3", 5)), "v3"),
        ((at("v3", 15),), None),
    ],
    ids=[
        "nothing was deployed",
        "the held one came back",
        "the older one came back",
        "a newer one",
        "the first newer one",
        "one before the hold",
    ],
)
def test_only_a_newer_release_ends_a_hold(since: tuple[Deployment, ...], ends_it: str | None) -> None:
    newer = newer_release(hold(), since + BEFORE)
    assert (newer.release if newer else None) == ends_it


def soaked(minutes_ago: float, **changed: object) -> RollbackPoint:
    taken = NOW - timedelta(minutes=minutes_ago)
    values: dict[str, object] = {
        "service": "payments",
        "region": "eu",
        "release": "v2",
        "weights": {"v2": 100},
        "replicas": {"v2": 2},
        "taken_at": taken,
        "why": Why.HEALTHY,
        "health": Finding.PASS,
        "measured": "0 of 500 failed",
        "expires_at": taken + timedelta(days=7),
    }
    return RollbackPoint.model_validate(values | changed)


def lifted(by: str) -> Hold:
    return hold(lifted_at=NOW, lifted_by=by, lifted_reason="?")


@pytest.mark.parametrize(
    ("held", "points", "closes"),
    [
        (hold(), [], True),
        (lifted(STERNWAY), [], True),
        (lifted(STERNWAY), [soaked(5)], False),
        (lifted(STERNWAY), [soaked(15)], True),
        (lifted(STERNWAY), [soaked(5, release="v3")], True),
        (lifted(STERNWAY), [soaked(5, valid=False, reason="it cannot be run")], True),
        (lifted(STERNWAY), [soaked(5, expires_at=NOW)], True),
        (lifted(STERNWAY), [soaked(5, why=Why.BEFORE_CHANGE)], True),
    ],
    ids=[
        "in force",
        "ended by a newer release",
        "proven since",
        "proven only before",
        "another release proven",
        "its proof is invalid",
        "its proof is too old",
        "a point before a change proves nothing",
    ],
)
def test_a_release_that_no_person_has_let_go_stays_closed_until_a_later_soak_speaks_for_it(
    held: Hold, points: Sequence[RollbackPoint], closes: bool
) -> None:
    assert closing([held], points, NOW) == ((held,) if closes else ())
