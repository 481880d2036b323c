"""Forecasts beat yesterday where there is something to know, hold their intervals, and are refused without ground."""

from __future__ import annotations

import subprocess
import sys

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.predictor.forecasting.comparing import BASELINE, choose
from activities.predictor.forecasting.conformal import AdaptiveIntervals, IntervalRefused
from activities.predictor.forecasting.fourier import FourierRidge
from activities.predictor.forecasting.mstl import Mstl
from activities.predictor.forecasting.naive import LastValue, SeasonalNaive
from activities.predictor.forecasting.prophet import Prophet
from activities.predictor.forecasting.series import (
    Crossing,
    Forecast,
    ForecasterMissing,
    RegularSeries,
    SeriesRefused,
    crossing,
)
from activities.predictor.forecasting.trend import damped_trend

DAY = 96
"""Rows: a quarter of an hour each."""


def regular(values: numpy.ndarray, period: int = DAY) -> RegularSeries:
    return RegularSeries("saturation of payments", numpy.asarray(values, dtype=float), 900, period)


def waves(days: int, noise: float, seed: int = 0) -> numpy.ndarray:
    """A daily wave that is half as high at weekends."""
    rows = numpy.arange(days * DAY)
    height = numpy.where(rows // DAY % 7 < 5, 10.0, 5.0)
    daily = numpy.sin(2 * numpy.pi * rows / DAY) + 0.4 * numpy.cos(4 * numpy.pi * rows / DAY)
    return 50 + height * daily + numpy.random.default_rng(seed).normal(0, noise, len(rows))


def error(forecaster: FourierRidge | Mstl | SeasonalNaive | Prophet, values: numpy.ndarray, rows: int = 8) -> float:
    """Mean absolute error over the last twenty hours-long forecasts."""
    places = range(len(values) - 20 * rows, len(values), rows)
    found = [forecaster.forecast(regular(values[:place]), rows) - values[place : place + rows] for place in places]
    return float(numpy.abs(found).mean())


def flat(values: list[float]) -> Forecast:
    middle = numpy.array(values)
    return Forecast(middle, middle - 10, middle + 10, 0.9)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (numpy.full(200, 3.0), "all 200 rows are 3; a constant has no forecast"),
        (numpy.arange(29.0), "29 rows are too few for a forecast; wait for 30"),
        (numpy.where(numpy.arange(200) == 7, numpy.nan, 1.0), "row 7 is nan, and 0 more are not finite"),
        (numpy.where(numpy.arange(200) > 100, numpy.inf, 1.0), "row 101 is inf, and 98 more are not finite"),
        (numpy.ones((40, 2)), "80 rows are too few"),
    ],
)
def test_a_series_without_ground_for_a_forecast_is_refused_by_name_and_cure(
    values: numpy.ndarray, complaint: str
) -> None:
    with pytest.raises(SeriesRefused, match=r"^saturation of payments: ") as refusal:
        regular(values)
    assert complaint in str(refusal.value)


@pytest.mark.parametrize(("interval", "period"), [(0, 96), (60, -1)])
def test_an_impossible_grid_is_refused(interval: int, period: int) -> None:
    with pytest.raises(SeriesRefused, match="impossible"):
        RegularSeries("rate", numpy.arange(100.0), interval, period)


def test_the_baseline_repeats_the_day_and_where_there_is_none_the_last_row() -> None:
    values = waves(3, 1.0)
    assert numpy.array_equal(SeasonalNaive().forecast(regular(values), DAY + 2)[:DAY], values[-DAY:])
    assert SeasonalNaive().forecast(regular(values), DAY + 2)[DAY] == values[-DAY]
    assert numpy.array_equal(SeasonalNaive().forecast(regular(values, 0), 3), numpy.repeat(values[-1], 3))
    assert numpy.array_equal(SeasonalNaive().forecast(regular(values[:50]), 3), numpy.repeat(values[49], 3))


def test_a_metric_that_wanders_is_best_foretold_by_its_last_value() -> None:
    values = numpy.cumsum(numpy.random.default_rng(9).normal(0, 1, 20 * DAY))
    chosen = choose(regular(values), [LastValue()], 4)
    assert chosen.forecaster == LastValue()
    assert numpy.array_equal(chosen.forecast(regular(values)).values, numpy.repeat(values[-1], 4))


def test_waves_are_followed_and_noise_is_not_repeated() -> None:
    values = waves(21, 1.0)
    ideal = float(numpy.abs(values - waves(21, 0.0)).mean())
    assert error(FourierRidge(), values) < 1.5 * ideal
    assert error(SeasonalNaive(), values) > 1.5 * error(FourierRidge(), values)


def test_fifteen_days_teach_the_week() -> None:
    """Friday does not tell Saturday, but the Saturday before does."""
    values, actual = waves(19, 0.2)[: 19 * DAY], waves(20, 0.0)[19 * DAY :][:24]
    assert 19 % 7 == 5
    found = FourierRidge().forecast(regular(values), 24)
    assert numpy.abs(found - actual).mean() < 0.5 * numpy.abs(values[-DAY:][:24] - actual).mean()


@pytest.mark.parametrize("period", [0, DAY])
def test_a_leak_is_seen_to_go_on(period: int) -> None:
    generator = numpy.random.default_rng(1)
    values = 30 + generator.normal(0, 0.5, 700) + numpy.maximum(0, numpy.arange(700) - 600) * 0.3
    found = FourierRidge().forecast(regular(values, period), 30)
    assert found[-1] == pytest.approx(values[-1] + 30 * 0.3, abs=3.0)
    assert found[0] == pytest.approx(values[-1], abs=1.5)


def test_noise_alone_makes_no_trend() -> None:
    """Of a hundred series without one, few get a slope, and none is carried far."""
    rises = []
    for seed in range(100):
        found = damped_trend(numpy.random.default_rng(seed).normal(0, 1, 300), 30)
        rises.append(abs(found[-1] - found[0]))
    assert sum(rise > 0 for rise in rises) <= 15
    assert max(rises) < 3.0


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    factor=st.floats(1e-3, 1e4),
    offset=st.floats(-1e4, 1e4),
    period=st.sampled_from([0, 24, DAY]),
)
def test_units_do_not_matter(seed: int, factor: float, offset: float, period: int) -> None:
    values = waves(5, 2.0, seed)
    plain = FourierRidge().forecast(regular(values, period), 8)
    other = FourierRidge().forecast(regular(values * factor + offset, period), 8)
    assert numpy.allclose(other, plain * factor + offset, rtol=1e-6, atol=1e-6 * (factor + abs(offset)))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1e9, 1e9), min_size=30, max_size=150), st.integers(0, 40), st.integers(1, 60))
def test_whatever_the_series_a_forecast_is_finite(values: list[float], period: int, rows: int) -> None:
    if numpy.ptp(values) == 0:
        return
    found = FourierRidge().forecast(regular(numpy.array(values), period), rows)
    assert found.shape == (rows,) and numpy.isfinite(found).all()


def test_mstl_follows_the_day_and_refuses_where_it_does_not_know_two() -> None:
    pytest.importorskip("statsmodels", reason="MSTL needs the extra forecast")
    values = numpy.tile(waves(1, 0.0), 13) + numpy.random.default_rng(2).normal(0, 1, 13 * DAY)
    assert error(Mstl(), values) < 0.95 * error(SeasonalNaive(), values)
    for period in (0, 7 * DAY):
        with pytest.raises(SeriesRefused, match="needs two whole days"):
            Mstl().forecast(regular(values, period), 8)


def test_prophet_follows_the_day_behind_the_same_interface() -> None:
    pytest.importorskip("prophet", reason="Prophet needs the extra forecast")
    values = waves(7, 1.0)
    found = Prophet().forecast(regular(values[:-8]), 8)
    assert numpy.abs(found - waves(7, 0.0)[-8:]).mean() < 2.0
    assert numpy.array_equal(found, Prophet().forecast(regular(values[:-8]), 8))


@pytest.mark.parametrize(("forecaster", "package"), [(Mstl(), "statsmodels"), (Prophet(), "prophet")])
def test_a_missing_package_is_refused_with_the_extra_that_brings_it(
    forecaster: Mstl | Prophet, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (package, "pandas", "statsmodels.tsa.seasonal"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ForecasterMissing, match=r"install sternway\[forecast\]"):
        forecaster.forecast(regular(waves(7, 1.0)), 8)


def test_the_runtime_loads_numpy_only() -> None:
    program = (
        "import sys, activities.predictor.forecasting.comparing, activities.predictor.forecasting.fourier, "
        "activities.predictor.forecasting.mstl, activities.predictor.forecasting.prophet;"
        "print({'scipy', 'pandas', 'statsmodels', 'prophet', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_winner_on_the_past_is_chosen() -> None:
    chosen = choose(regular(waves(14, 1.0)), [FourierRidge()], 8)
    assert chosen.forecaster == FourierRidge()
    assert [score.name for score in chosen.scores] == ["seasonal naive", "fourier ridge"]
    assert chosen.scores[0].mase == 1.0 and chosen.scores[1].mase < 0.9
    assert chosen.scores[1].mae == pytest.approx(numpy.abs(chosen.errors).mean())


def test_yesterday_is_kept_where_nothing_beats_it() -> None:
    """A day of sharp steps that repeats exactly: six waves cannot follow it."""
    steps = numpy.tile(numpy.random.default_rng(3).integers(0, 2, DAY) * 10.0, 8)
    chosen = choose(regular(steps), [FourierRidge()], 8)
    assert chosen.forecaster == BASELINE
    assert not chosen.errors.any()
    assert chosen.scores[1].mase == float("inf")


def test_a_candidate_that_refuses_is_passed_over_and_says_why() -> None:
    chosen = choose(regular(waves(14, 1.0), 0), [Mstl(), FourierRidge()], 8)
    assert "needs two whole days" in chosen.scores[1].refused
    assert chosen.scores[1].mae == float("inf")
    assert not chosen.scores[2].refused


def test_a_history_without_room_for_the_comparison_is_refused() -> None:
    with pytest.raises(SeriesRefused, match="no room for 24 forecasts of 8 rows"):
        choose(regular(waves(1, 1.0)[:50]), [FourierRidge()], 8)


def test_comparing_never_shows_a_candidate_what_comes_after() -> None:
    values = waves(14, 1.0)
    seen: list[int] = []

    class Watching:
        name = "watching"

        def forecast(self, past: RegularSeries, rows: int) -> numpy.ndarray:
            assert numpy.array_equal(past.values, values[: len(past)])
            seen.append(len(past))
            return numpy.zeros(rows)

    choose(regular(values), [Watching()], 8)
    assert len(seen) == 24 and max(seen) == len(values) - 8 and min(seen) == len(values) // 2


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_intervals_cover_what_they_say_on_steady_errors(coverage: float) -> None:
    generator = numpy.random.default_rng(5)
    intervals, hits = AdaptiveIntervals(6, coverage), []
    for errors in generator.standard_t(3, (1500, 6)) * numpy.arange(1, 7):
        if intervals.ready:
            hits.append(numpy.abs(errors) <= intervals.around(numpy.zeros(6)).upper)
        intervals.observe(errors)
    assert numpy.mean(hits, axis=0) == pytest.approx(coverage, abs=0.03)


def test_intervals_regain_their_coverage_after_the_errors_grow() -> None:
    """Errors that grow without end: a fixed share of the latest would cover too little for ever."""
    generator = numpy.random.default_rng(6)
    intervals, hits = AdaptiveIntervals(1, 0.9), []
    for step, error_now in enumerate(generator.normal(0, 1, 3000)):
        errors = numpy.array([error_now * 1.01 ** min(step, 1500)])
        if intervals.ready:
            hits.append(abs(errors[0]) <= intervals.around(numpy.zeros(1)).upper[0])
        intervals.observe(errors)
    assert numpy.mean(hits[500:1500]) == pytest.approx(0.9, abs=0.04)
    assert numpy.mean(hits[-1000:]) == pytest.approx(0.9, abs=0.03)


def test_each_row_ahead_has_its_own_width() -> None:
    chosen = choose(regular(numpy.cumsum(numpy.random.default_rng(8).normal(0, 1, 1500)), 0), [FourierRidge()], 16)
    forecast = chosen.forecast(regular(numpy.arange(100.0), 0))
    widths = forecast.upper - forecast.lower
    assert widths[-4:].mean() > 1.5 * widths[:4].mean()
    assert numpy.allclose(forecast.upper - forecast.values, forecast.values - forecast.lower)


def test_an_interval_without_enough_errors_is_refused() -> None:
    intervals = AdaptiveIntervals(2, 0.9)
    for _ in range(8):
        intervals.observe(numpy.ones(2))
    with pytest.raises(IntervalRefused, match="needs the errors of 9 forecasts, and 8 are known"):
        intervals.around(numpy.zeros(2))
    intervals.observe(numpy.ones(2))
    assert intervals.around(numpy.zeros(2)).upper == pytest.approx([1.0, 1.0])
    with pytest.raises(IntervalRefused, match="60 errors are kept"):
        AdaptiveIntervals(2, 0.99)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (55.0, Crossing(1, 1, 2)),
        (70.0, Crossing(1, 2, 3)),
        (85.0, Crossing(3, 3, None)),
        (95.0, Crossing(3, None, None)),
        (101.0, None),
    ],
)
def test_a_limit_is_reached_soonest_by_the_upper_edge_and_latest_by_the_lower(
    limit: float, expected: Crossing | None
) -> None:
    assert crossing(flat([60.0, 70.0, 90.0]), limit) == expected


def test_when_a_leak_fills_the_memory_is_foretold() -> None:
    """It leaks by 0.2% a row for 200 rows, has come from 30% to 70%, and is 50 rows from 80%."""
    memory = 30 + numpy.random.default_rng(11).normal(0, 0.5, 1400) + numpy.maximum(0, numpy.arange(1400) - 1199) * 0.2
    chosen = choose(regular(memory[:1200], 0), [FourierRidge()], 100)
    found = crossing(chosen.forecast(regular(memory, 0)), 80.0)
    assert found is not None and found.expected is not None
    assert found.expected == pytest.approx(50, abs=12)
    assert found.soonest <= found.expected
    assert crossing(chosen.forecast(regular(memory[:1200], 0)), 80.0) is None
