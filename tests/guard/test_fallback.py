"""An answer that is not live says what it is, and a fallback that fails changes nothing."""

from __future__ import annotations

import asyncio

import pytest
from set_clock import Clock
from sternway_guard import BreakerOpen, Fallback

OPEN = BreakerOpen("rates", "the breaker is open", 3.0)


class Rates:
    """A source of exchange rates that is there until it is not."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def of(self, currency: str) -> float:
        if self.error:
            raise self.error
        return {"eur": 1.1, "gbp": 1.3}[currency]

    async def soon(self, currency: str) -> float:
        await asyncio.sleep(0)
        return self.of(currency)


def test_it_says_whether_its_answer_is_live_cached_stale_or_a_default() -> None:
    rates, clock = Rates(), Clock()
    rate = Fallback(fresh=60, stale=3600, default=lambda currency: 1.0, clock=clock)(rates.of)
    live = rate("eur")
    assert (live.value, live.source, live.age, live.because) == (1.1, "live", 0, None)
    rates.error = OPEN
    clock.now += 60
    cached = rate("eur")
    assert (cached.value, cached.source, cached.age, cached.because) == (1.1, "cached", 60, OPEN)
    clock.now += 1
    assert (rate("eur").source, rate("eur").age) == ("stale", 61)
    clock.now += 3600
    assert (rate("eur").value, rate("eur").source) == (1.0, "default")
    assert rate("gbp").source == "default", "nothing is kept of another call"


async def test_a_coroutine_is_answered_for_as_a_function_is() -> None:
    async def default(currency: str) -> float:
        return 1.0

    rates = Rates()
    rate = Fallback(stale=60, default=default)(rates.soon)
    assert (await rate("eur")).source == "live"
    rates.error = OPEN
    assert [(await rate(of)).source for of in ("eur", "gbp")] == ["stale", "default"]


def test_only_what_it_is_for_is_answered() -> None:
    rates = Rates()
    rate = Fallback(stale=60)(rates.of)
    rate("eur")
    rates.error = ValueError("no such day")
    with pytest.raises(ValueError, match="no such day"):
        rate("eur")
    assert Fallback(default=lambda currency: 0, on=ValueError)(rates.of)("eur").source == "default"


@pytest.mark.parametrize("how", ["function", "coroutine"])
def test_a_default_that_fails_leaves_the_first_error(how: str, caplog: pytest.LogCaptureFixture) -> None:
    def default(currency: str) -> float:
        return 1 / 0

    async def later(currency: str) -> float:
        return 1 / 0

    rates = Rates()
    rates.error = OPEN
    with pytest.raises(BreakerOpen) as raised:
        if how == "function":
            Fallback(default=default)(rates.of)("eur")
        else:
            asyncio.run(Fallback(default=later)(rates.soon)("eur"))
    assert raised.value is OPEN
    assert "a fallback failed" in caplog.text


def test_arguments_that_are_no_key_are_served_and_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    def total(amounts: list[int]) -> int:
        return sum(amounts)

    assert Fallback(stale=60)(total)([1, 2]).value == 3
    assert "give Fallback a key" in caplog.text
    assert Fallback(stale=60, key=tuple)(total)([1, 2]).value == 3


def test_each_function_has_answers_of_its_own() -> None:
    rates, kept = Rates(), Fallback(stale=60)
    rate, name = kept(rates.of), kept(str.upper)
    rate("eur")
    rates.error = OPEN
    assert (rate("eur").value, name("eur").value) == (1.1, "EUR")
    with pytest.raises(BreakerOpen):
        kept(rates.of)("eur")


def test_it_keeps_no_more_answers_than_it_may() -> None:
    rates = Rates()
    rate = Fallback(stale=60, kept=1)(rates.of)
    rate("eur")
    rate("gbp")
    rates.error = OPEN
    assert rate("gbp").source == "stale"
    with pytest.raises(BreakerOpen):
        rate("eur")
