"""Guards of many targets, and what a control plane may say to them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from set_clock import Clock
from sternway_guard import BreakerSettings, Fixed, Guard, GuardSettings, LimitSettings, Mode, Registry, Transition
from sternway_guard.protocol import Garbage, Update, read

LIMITED = GuardSettings(limit=LimitSettings())


def update(epoch: int, since: int, ttl: float = 30, **intents: Any) -> Update:
    return read(json.dumps({"v": 1, "epoch": epoch, "since": since, "ttl": ttl, "intents": intents}).encode())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(clock: Clock) -> Registry:
    return Registry(LIMITED, clock=clock)


def as_it_is(guard: Guard) -> tuple[Mode, float, float]:
    assert guard.limiter
    return guard.breaker.mode, guard.limiter.least_value, guard.retries.share


CONFIGURED = (Mode.ON, float("-inf"), 0.1)


def test_a_target_has_one_guard_and_its_own_settings() -> None:
    registry = Registry(settings_of={"search": LIMITED})
    assert registry.guard("payments") is registry.guard("payments")
    assert registry.guard("payments").limiter is None
    assert registry.guard(("search", "eu")).limiter is None
    assert registry.guard("search").limiter is not None


def test_a_target_that_is_no_name_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^target must be hashable, .* not \['payments'\]$"):
        Registry().guard(["payments"])  # type: ignore[arg-type]


def test_who_listens_hears_of_every_guard_whatever_becomes_of_other_listeners() -> None:
    def broken(transition: Transition) -> None:
        raise RuntimeError

    heard: list[Transition] = []
    registry = Registry(GuardSettings(breaker=BreakerSettings(trips=Fixed(least=1))), listeners=(broken,))
    before = registry.guard("before")
    registry.listen(heard.append)
    for guard in (before, registry.guard("after")):
        guard.breaker.begin().end(ValueError())
    assert [transition.target for transition in heard] == ["before", "after"]


def test_names_from_outside_do_not_fill_the_memory() -> None:
    registry = Registry(most=3)
    for number in range(10):
        registry.guard(number)
        registry.guard("payments")
    assert {guard.target for guard in registry} == {8, 9, "payments"}, "those that were asked for last"


def test_a_guard_that_is_not_kept_any_more_obeys_as_long_as_somebody_uses_it(clock: Clock) -> None:
    registry = Registry(LIMITED, most=1, clock=clock)
    used = registry.guard("payments")
    registry.apply(update(1, 0, payments={"mode": "forced-open"}))
    registry.guard("another")
    assert used.breaker.mode is Mode.FORCED_OPEN
    clock.now += 31
    registry.lapse()
    assert used.breaker.mode is Mode.ON


def test_an_intent_that_says_nothing_of_the_mode_leaves_it_as_it_is_set() -> None:
    registry = Registry(GuardSettings(breaker=BreakerSettings(mode=Mode.SHADOW)))
    guard = registry.guard("payments")
    registry.apply(update(1, 0, payments={"retries": 0}))
    registry.apply(update(2, 1, payments=None))
    assert guard.breaker.mode is Mode.SHADOW


SAID = ("shadow", "on", "forced-open", "off")


@pytest.mark.parametrize(
    ("configured", "tightened"),
    [
        (Mode.SHADOW, (Mode.SHADOW, Mode.ON, Mode.FORCED_OPEN, Mode.SHADOW)),
        (Mode.ON, (Mode.ON, Mode.ON, Mode.FORCED_OPEN, Mode.ON)),
        (Mode.FORCED_OPEN, (Mode.FORCED_OPEN,) * 4),
        (Mode.OFF, (Mode.OFF,) * 4),
    ],
)
def test_only_a_person_may_loosen_what_is_configured(configured: Mode, tightened: tuple[Mode, ...]) -> None:
    registry = Registry(GuardSettings(breaker=BreakerSettings(mode=configured), retries=0.1))
    guard = registry.guard("payments")
    for epoch, (said, mode) in enumerate(zip(SAID, tightened, strict=True)):
        assert registry.apply(update(2 * epoch + 1, 0, payments={"mode": said, "retries": 0.5}))
        assert (guard.breaker.mode, guard.retries.share) == (mode, 0.1)
        assert registry.apply(update(2 * epoch + 2, 0, payments={"mode": said, "retries": 0.5, "override": True}))
        assert (guard.breaker.mode, guard.retries.share) == (Mode(said), 0.5)


def test_an_intent_holds_for_the_guards_there_are_and_those_to_come(registry: Registry) -> None:
    registry.guard("payments")
    assert registry.apply(
        update(1, 0, payments={"mode": "shadow", "override": True}, search={"least_value": 5, "retries": 0})
    )
    assert as_it_is(registry.guard("payments")) == (Mode.SHADOW, float("-inf"), 0.1)
    assert as_it_is(registry.guard("search")) == (Mode.ON, 5, 0)
    assert as_it_is(registry.guard("other")) == CONFIGURED


def test_what_is_lifted_is_as_it_was_configured(registry: Registry) -> None:
    registry.apply(update(1, 0, payments={"mode": "forced-open"}, search={"retries": 0.05}))
    registry.apply(update(2, 1, payments=None))
    assert as_it_is(registry.guard("payments")) == CONFIGURED
    assert as_it_is(registry.guard("search")) == (Mode.ON, float("-inf"), 0.05)
    registry.apply(update(7, 0))
    assert as_it_is(registry.guard("search")) == CONFIGURED, "a whole word lifts what it does not say"


def test_what_was_missed_is_noticed_and_nothing_of_it_is_done(registry: Registry) -> None:
    registry.apply(update(1, 0))
    assert not registry.apply(update(5, 4, payments={"mode": "off", "override": True}))
    assert as_it_is(registry.guard("payments")) == CONFIGURED
    assert registry.standing.epoch == 1


def test_an_old_word_is_passed_over_while_the_newer_one_holds(registry: Registry, clock: Clock) -> None:
    registry.apply(update(9, 0, payments={"mode": "shadow", "override": True}))
    assert registry.apply(update(3, 0, payments={"mode": "forced-open"}))
    assert as_it_is(registry.guard("payments"))[0] is Mode.SHADOW
    clock.now += 31
    assert registry.apply(update(3, 0, payments={"mode": "off", "override": True})), (
        "one that came back from an older state"
    )
    assert as_it_is(registry.guard("payments"))[0] is Mode.OFF


def test_what_nobody_renews_lapses_and_that_is_said(registry: Registry, clock: Clock) -> None:
    assert (registry.standing.alone, registry.standing.heard) == (True, None)
    registry.apply(update(4, 0, ttl=30, payments={"mode": "forced-open"}))
    clock.now += 20
    registry.apply(update(4, 4, ttl=30))
    clock.now += 29
    registry.lapse()
    assert not registry.standing.alone
    assert as_it_is(registry.guard("payments"))[0] is Mode.FORCED_OPEN
    clock.now += 1
    registry.lapse()
    assert (registry.standing.alone, registry.standing.heard, registry.standing.epoch) == (True, 30, 4)
    assert as_it_is(registry.guard("payments")) == CONFIGURED


GOOD = {"v": 1, "epoch": 2, "since": 1, "ttl": 30, "intents": {}}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe",
        b"<html>",
        b"[]",
        b"null",
        b"{}",
        *(
            json.dumps({**GOOD, **wrong}).encode()
            for wrong in (
                {"v": 2},
                {"epoch": -1},
                {"epoch": "2"},
                {"since": 3},
                {"ttl": 0},
                {"ttl": 1e9},
                {"intents": []},
                {"intents": {"payments": "off"}},
                {"intents": {"payments": {"mode": "sideways"}}},
                {"intents": {"payments": {"retries": 7}}},
                {"intents": {"payments": {"least_value": "much"}}},
                {"intents": {"payments": {"least_value": 10**400}}},
            )
        ),
        b"[" * 100_000,
    ],
    ids=lambda line: line[:60].decode("latin-1"),
)
def test_what_no_control_plane_says_is_garbage(line: bytes) -> None:
    with pytest.raises(Garbage):
        read(line)


def test_what_a_later_version_says_beside_it_is_passed_over() -> None:
    said = {**GOOD, "more": 1, "intents": {"payments": {"mode": "off", "override": True, "more": 2}}}
    intent = read(json.dumps(said).encode()).intents["payments"]
    assert intent
    assert intent.mode is Mode.OFF
