"""When a breaker trips, how it finds its way back, and that no call has another outcome because of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

import pytest
from set_clock import Clock
from sternway_guard import Breaker, BreakerOpen, BreakerSettings, Fixed, Learned, Mode, Shed, State, Transition
from sternway_guard.breaker import is_failure

FIVE_OF_TEN = Fixed(share=0.5, least=10)


class Target:
    """A service under a breaker, in a time of the test's own."""

    def __init__(self, settings: BreakerSettings, fails: Callable[[BaseException], bool] = is_failure) -> None:
        self.clock = Clock()
        self.heard: list[Transition] = []
        self.breaker = Breaker(
            "payments", settings, fails=fails, listeners=(self.heard.append,), clock=self.clock, chance=lambda: 0.0
        )

    def call(self, error: BaseException | None = None, takes: float = 0.0) -> None:
        @self.breaker
        def called() -> None:
            self.clock.now += takes
            if error:
                raise error

        called()

    def calls(self, number: int, error: BaseException | None = None, takes: float = 0.0) -> list[str]:
        """How each of them ended: ``ok``, ``open``, or the error's name."""
        ends: list[str] = []
        for _ in range(number):
            self.clock.now += 0.01
            try:
                self.call(error, takes)
                ends.append("ok")
            except BreakerOpen:
                ends.append("open")
            except BaseException as raised:  # noqa: BLE001 -- whatever the test gave
                ends.append(type(raised).__name__)
        return ends


@pytest.fixture
def target() -> Target:
    return Target(BreakerSettings(trips=FIVE_OF_TEN, slow_after=0.5, open_for=4, longest_open=16, stage=8))


@pytest.fixture
def tripped(target: Target) -> Target:
    target.calls(10, ValueError())
    assert target.breaker.state is State.OPEN
    return target


def test_it_trips_at_its_share_and_not_before_there_are_enough_calls(target: Target) -> None:
    assert target.calls(9, ValueError()) == ["ValueError"] * 9
    assert target.breaker.state is State.CLOSED
    assert target.calls(2, ValueError()) == ["ValueError", "open"]


def test_what_it_does_not_make_says_when_to_come_again(tripped: Target) -> None:
    with pytest.raises(BreakerOpen) as refused:
        tripped.call()
    assert refused.value.retry_after == pytest.approx(2.0)  # half of the wait, as the chance is 0
    assert str(refused.value) == "payments: the breaker is open; come again in 2 s"
    assert tripped.breaker.not_permitted == 1


def test_slow_calls_and_failures_are_one_evidence(target: Target) -> None:
    target.calls(5, ValueError())
    target.calls(5, takes=0.6)
    assert target.breaker.state is State.OPEN


def test_calls_that_do_not_end_count_before_they_do_and_once(target: Target) -> None:
    hanging = [target.breaker.begin() for _ in range(10)]
    target.clock.now += 1.6
    with pytest.raises(BreakerOpen):
        target.call()
    assert [one.because for one in target.heard] == ["its calls do not end in time"]
    for one in hanging:
        one.end(ValueError())
    assert len(target.heard) == 1


def test_a_call_that_ends_after_it_has_counted_does_not_count_again(target: Target) -> None:
    hanging = [target.breaker.begin() for _ in range(4)]
    target.clock.now += 1.6
    target.calls(1)
    for one in hanging:
        one.end(ValueError())
    target.calls(4)  # 4 bad of 9, and then 4 of 10; counted twice it were 8 of 13
    assert target.breaker.state is State.CLOSED


@pytest.mark.parametrize("error", [KeyboardInterrupt(), asyncio.CancelledError(), Shed("disk", "no room")])
def test_a_call_that_was_cancelled_or_turned_away_says_nothing(target: Target, error: BaseException) -> None:
    target.calls(30, error)
    assert (target.breaker.state, target.breaker.counts.good, target.breaker.counts.bad) == (State.CLOSED, 0, 0)


def test_a_call_that_was_cut_off_when_it_was_slow_already_is_bad(target: Target) -> None:
    target.calls(10, asyncio.CancelledError(), takes=0.6)
    assert target.breaker.state is State.OPEN


def test_what_counts_as_a_failure_is_the_users_word() -> None:
    target = Target(BreakerSettings(trips=FIVE_OF_TEN), fails=lambda error: isinstance(error, OSError))
    target.calls(30, ValueError())
    assert target.breaker.state is State.CLOSED
    target.calls(40, OSError())
    assert target.breaker.state is State.OPEN


def test_a_predicate_that_raises_changes_no_outcome(caplog: pytest.LogCaptureFixture) -> None:
    target = Target(BreakerSettings(trips=FIVE_OF_TEN), fails=lambda error: 1 / 0 > 1)
    with caplog.at_level(logging.ERROR, "sternway_guard"):
        assert target.calls(10, ValueError()) == ["ValueError"] * 10
    assert target.breaker.state is State.OPEN, "by default it is one"
    assert "payments: what counts as a failure could not be said" in caplog.text


def test_a_listener_that_raises_changes_no_outcome(target: Target, caplog: pytest.LogCaptureFixture) -> None:
    def broken(transition: Transition) -> None:
        raise RuntimeError

    breaker = Breaker("payments", BreakerSettings(trips=FIVE_OF_TEN), listeners=(broken, target.heard.append))
    for _ in range(10):
        breaker.begin().end(ValueError())
    assert [one.after for one in target.heard] == [State.OPEN]
    assert "payments: a listener failed" in caplog.text


def test_probes_go_in_stages_and_close_it_once_all_are_well(tripped: Target) -> None:
    tripped.clock.now += 2
    ends = tripped.calls(6000)
    shares = [ends[i : i + 500].count("ok") for i in range(0, 6000, 500)]
    assert shares == sorted(shares), "more and more"
    assert shares[-1] == 500
    assert [(one.before.value, one.after.value) for one in tripped.heard[1:]] == [
        ("open", "half-open"),
        ("half-open", "closed"),
    ]


def test_probes_that_fail_double_the_wait_up_to_its_longest(tripped: Target) -> None:
    waits: list[float] = []
    for _ in range(5):
        with pytest.raises(BreakerOpen) as refused:
            tripped.call()
        waits.append(refused.value.retry_after or 0)
        tripped.clock.now += waits[-1]
        while tripped.breaker.state is not State.OPEN or tripped.heard[-1].before is State.CLOSED:
            tripped.calls(1, ValueError())
        tripped.heard.append(tripped.heard[0])  # so that the next round waits for its own
    assert waits == pytest.approx([2, 4, 8, 8, 8], abs=0.05)


@pytest.mark.parametrize(("well", "waits"), [(0, [4, 8, 16]), (7, [4, 8, 16]), (20, [4, 4, 4])])
def test_who_fails_soon_after_it_is_called_again_is_left_for_longer(
    target: Target, well: float, waits: list[float]
) -> None:
    found: list[float] = []
    for _ in waits:
        target.clock.now += well
        while target.breaker.state is State.CLOSED:
            target.calls(1, ValueError())
        with pytest.raises(BreakerOpen) as refused:
            target.call()
        found.append(2 * (refused.value.retry_after or 0))  # half of the wait, as the chance is 0
        while target.breaker.state is not State.CLOSED:
            target.calls(1)
    assert found == pytest.approx(waits)


def test_probes_that_never_come_back_open_it_again(tripped: Target) -> None:
    tripped.clock.now += 2
    tripped.breaker.begin()
    tripped.clock.now += 8
    with pytest.raises(BreakerOpen):
        tripped.call()
    assert tripped.breaker.state is State.OPEN


def test_at_a_call_a_minute_it_closes_within_minutes(tripped: Target) -> None:
    for _ in range(6):
        tripped.clock.now += 60
        tripped.call()
    assert tripped.breaker.state is State.CLOSED


def test_a_call_of_before_the_trip_says_nothing_about_probes(target: Target) -> None:
    before = target.breaker.begin()
    target.calls(10, ValueError())
    target.clock.now += 2
    target.call()
    assert target.breaker.state is State.HALF_OPEN
    before.end(ValueError())
    assert target.breaker.counts.bad == 0


def test_in_shadow_it_decides_and_says_so_and_makes_every_call(target: Target) -> None:
    target.breaker.mode = Mode.SHADOW
    assert target.calls(30, ValueError()) == ["ValueError"] * 30
    assert [one.after for one in target.heard] == [State.OPEN]
    assert target.breaker.not_permitted == 20


def test_forced_open_makes_no_call_and_off_makes_every_one(tripped: Target) -> None:
    tripped.breaker.mode = Mode.OFF
    assert tripped.calls(3) == ["ok"] * 3
    tripped.breaker.mode = Mode.FORCED_OPEN
    with pytest.raises(BreakerOpen, match="somebody holds the breaker open"):
        tripped.call()
    tripped.breaker.mode = Mode.ON
    assert tripped.calls(1) == ["open"], "it goes on where it was"


async def test_a_coroutine_is_guarded_as_a_function_is() -> None:
    breaker = Breaker("payments", BreakerSettings(trips=FIVE_OF_TEN))

    @breaker
    async def called(error: Exception | None = None) -> str:
        """Its own."""
        await asyncio.sleep(0)
        if error:
            raise error
        return "answer"

    assert (await called(), called.__name__, called.__doc__) == ("answer", "called", "Its own.")
    for _ in range(9):
        with pytest.raises(ValueError):
            await called(ValueError())
    with pytest.raises(BreakerOpen):
        await called()


async def test_a_task_that_is_cancelled_in_its_call_is_cancelled_and_not_counted() -> None:
    breaker = Breaker("payments")
    called = asyncio.create_task(breaker(asyncio.sleep)(60))
    await asyncio.sleep(0)
    assert breaker.counts.running == 1
    called.cancel()
    with pytest.raises(asyncio.CancelledError):
        await called
    assert (breaker.counts.running, breaker.counts.bad) == (0, 0)


def test_a_generator_is_not_guarded_by_mistake() -> None:
    def rows() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="guard what it does inside"):
        Breaker("payments")(rows)


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.05])
def test_learned_it_trips_soon_where_calls_become_worse(noise: float) -> None:
    target = Target(BreakerSettings(trips=Learned()))
    for number in range(20_000):
        target.calls(1, ValueError() if noise and number % round(1 / noise) == 0 else None)
    assert target.heard == []
    bad = target.calls(30, ValueError())
    assert bad.index("open") == 25, "the least that is harm"


@pytest.mark.parametrize("long", [1_000, 30_000])
def test_learned_it_sees_an_outage_after_a_mild_trouble_of_any_length(long: int) -> None:
    target = Target(BreakerSettings(trips=Learned()))
    target.calls(10_000)
    for _ in range(long // 33):
        target.calls(32)
        target.calls(1, ValueError())
    assert target.heard == [], "three in a hundred are no harm"
    assert "open" in target.calls(60, ValueError())


def test_learned_it_leaves_alone_what_was_always_so() -> None:
    """A target that turns away one call in ten is no worse for it, also where they come together."""
    target = Target(BreakerSettings(trips=Learned()))
    for _ in range(400):
        target.calls(90)
        target.calls(10, ValueError())
    assert target.heard == []
