"""What is wanted of guards holds until it is lifted or lapses, and each change of a region has a number of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from activities.analytics.store import Store, intents
from models.intent import STRICTNESS, Intent, IntentRequest, Tier, Told, strictest
from tests.waiting import until

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def wish(id: str = "01A-shed", **said: Any) -> IntentRequest:
    known = {"owner": "01A", "tier": Tier.SERVICE, "region": "eu", "target": "payments", "because": ".", "seconds": 60}
    return IntentRequest(id=id, **(known | said))


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_wish_holds_from_when_it_is_taken_and_however_often(store: Store) -> None:
    first = intents.take(store, wish(least_value=5), NOW)
    assert (first.least_value, first.expires_at, first.ended_at) == (5, later(60), None)
    again = intents.take(store, wish(least_value=7), later(10))
    assert again == first.model_copy(update={"expires_at": later(70)}), "it wants what it wanted, for longer"
    assert intents.state(store, "eu") == (1, {"payments": Told(least_value=5)})
    assert intents.state(store, "us") == (0, {})


def test_what_is_taken_again_lives_on_and_that_is_no_change(store: Store) -> None:
    intents.take(store, wish(), NOW)
    assert intents.take(store, wish(), later(30)).expires_at == later(90)
    assert intents.lapse(store, "eu", later(89)) == 0
    assert intents.state(store, "eu")[0] == 1


def test_what_lapses_because_nobody_could_be_told_is_there_again_when_somebody_is(store: Store) -> None:
    intents.take(store, wish(retries=0), NOW)
    assert [intents.lapse(store, "eu", later(60)), intents.lapse(store, "eu", later(60))] == [1, 0]
    assert intents.state(store, "eu") == (2, {})
    assert intents.take(store, wish(retries=0), later(61)).ended_at is None
    assert intents.state(store, "eu") == (3, {"payments": Told(retries=0)})


def test_what_is_lifted_after_it_had_lapsed_stays_so(store: Store) -> None:
    intents.take(store, wish(), NOW)
    intents.lapse(store, "eu", later(60))
    assert intents.lift(store, wish(), later(70)).ended_at == later(60)
    assert intents.take(store, wish(), later(71)).ended_at == later(60)


def test_those_that_are_named_are_lifted_at_once(store: Store) -> None:
    for id in ("one", "two", "three"):
        intents.take(store, wish(id), NOW)
    assert intents.lift_those(store, "eu", ["one", "two", "unknown"], later(1)) == 2
    assert intents.lift_those(store, "eu", ["one"], later(2)) == 0
    assert intents.lift_those(store, "eu", [], later(2)) == 0
    assert [one.id for one in intents.holding(store, "eu")] == ["three"]
    assert intents.state(store, "eu")[0] == 4
    assert intents.take(store, wish("one"), later(3)).ended_at == later(1)


async def test_one_that_is_taken_again_while_it_lapses_is_there_in_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes it would otherwise believe for as long again that the guards do what they do no more."""
    intents.take(store, wish(retries=0), NOW)
    ends, may_commit = threading.Event(), threading.Event()

    def after(advance: Callable[..., None]) -> Callable[..., None]:
        def advances(*arguments: Any) -> None:
            advance(*arguments)
            ends.set()
            assert may_commit.wait(10)

        return advances

    monkeypatch.setattr(intents, "_advance", after(intents._advance))
    with ThreadPoolExecutor(2) as threads:
        lapsing = threads.submit(intents.lapse, store, "eu", later(60))
        assert ends.wait(10)
        taking = threads.submit(intents.take, store, wish(retries=0), later(59))
        if not store.sqlite:  # there a write waits for the one before as soon as it begins
            await until(lambda: waits_for_a_lock(store), 10, "the renewal waits for the lapse")
        may_commit.set()
        assert lapsing.result(10) == 1
        assert taking.result(10).ended_at is None
    assert intents.state(store, "eu")[1] == {"payments": Told(retries=0)}


def waits_for_a_lock(store: Store) -> bool:
    with store.read() as connection:
        return bool(connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one())


def test_what_is_lifted_is_ended_once_also_before_it_was_taken(store: Store) -> None:
    assert intents.lift(store, wish(), NOW).ended_at == NOW
    assert intents.take(store, wish(), later(1)).ended_at == NOW, "a late call has no effect"
    intents.take(store, wish("other"), NOW)
    assert [intents.lift(store, wish("other"), later(n)).ended_at for n in (5, 6)] == [later(5), later(5)]
    assert intents.state(store, "eu") == (3, {})


def test_what_ended_long_ago_is_forgotten(store: Store) -> None:
    intents.lift(store, wish(), NOW)
    intents.take(store, wish("other"), NOW + intents.KEPT + timedelta(seconds=1))
    assert intents.take(store, wish(), NOW + intents.KEPT + timedelta(seconds=2)).ended_at is None


def held(tier: Tier = Tier.SERVICE, at: float = 0, **said: Any) -> Intent:
    known = {"id": f"{at}", "owner": "01A", "region": "eu", "target": "payments", "because": ".", "ended_at": None}
    return Intent(tier=tier, since=later(at), expires_at=later(60), **(known | said))


@pytest.mark.parametrize(
    ("wishes", "told"),
    [
        ([], Told()),
        ([held(least_value=3), held(least_value=5), held(retries=0.1)], Told(least_value=5, retries=0.1)),
        ([held(mode="shadow"), held(Tier.SYSTEM, mode="forced-open")], Told(mode="forced-open")),
        ([held(mode="forced-open"), held(Tier.PERSON, mode="on")], Told(mode="on", override=True)),
        ([held(Tier.PERSON, 1, mode="off"), held(Tier.PERSON, 2, retries=0)], Told(retries=0, override=True)),
        ([held(least_value=9, mode="forced-open"), held(Tier.PERSON, retries=0)], Told(retries=0, override=True)),
    ],
    ids=[
        "none",
        "the strictest of each",
        "open is strictest",
        "a person",
        "the last word, whole",
        "a person is above all",
    ],
)
def test_the_strictest_wins_and_a_person_stands_above_all(wishes: list[Intent], told: Told) -> None:
    assert strictest(wishes) == told


WISHES = st.lists(
    st.builds(
        held,
        st.sampled_from([Tier.SERVICE, Tier.SYSTEM]),
        st.floats(0, 9),
        mode=st.sampled_from([None, *STRICTNESS]),
        least_value=st.none() | st.floats(0, 9),
        retries=st.none() | st.floats(0, 1),
    ),
    max_size=6,
)


@given(WISHES, st.randoms())
def test_no_wish_is_less_strict_for_another_one_nor_for_their_order(wishes: list[Intent], random: Any) -> None:
    told = strictest(wishes)
    shuffled = list(wishes)
    random.shuffle(shuffled)
    assert strictest(shuffled) == told
    for one in wishes:
        alone = strictest([one])
        assert alone.mode is None or STRICTNESS.index(told.mode or "off") <= STRICTNESS.index(alone.mode)
        assert alone.least_value is None or (told.least_value or 0) >= alone.least_value
        assert alone.retries is None or (told.retries is not None and told.retries <= alone.retries)
