"""Two readings of cumulative signals make one sample, or say why they make none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.predictor.samples import METRICS, between, quantile, row_of
from models.sample import Sample
from models.telemetry import Count, NoData, Signals

START = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
BOUNDS = (5.0, 10.0, 25.0, 50.0, 100.0, 250.0)


def signals(
    seconds: float = 0,
    requests: int = 0,
    errors: int = 0,
    slow: int = 0,
    times: tuple[int, ...] = (),
    in_flight: int = 0,
    epoch: str = "one",
    timed: int | None = None,
    bounds: tuple[float, ...] = BOUNDS,
    slow_ms: float | None = 250,
) -> Signals:
    return Signals(
        service="payments",
        region="eu",
        at=START + timedelta(seconds=seconds),
        epoch=epoch,
        slow_ms=slow_ms,
        users=Count(requests=requests, errors=errors, slow=slow),
        timed=(times[-1] if times else 0) if timed is None else timed,
        times=tuple(zip(bounds, times, strict=True)) if times else (),
        in_flight=in_flight,
    )


def sample(earlier: Signals, later: Signals) -> Sample:
    found = between(earlier, later)
    assert isinstance(found, Sample), found
    return found


def test_a_sample_is_of_what_lies_between_and_of_what_is_in_flight_now() -> None:
    earlier = signals(0, 100, 50, 50, (100,) * 6, in_flight=9)
    later = signals(20, 140, 54, 52, (100, 120, 120, 140, 140, 140), in_flight=3)
    assert sample(earlier, later) == Sample(
        service="payments",
        region="eu",
        at=START + timedelta(seconds=20),
        seconds=20,
        requests_per_second=2,
        error_share=0.1,
        slow_share=0.05,
        p50_ms=10,
        p95_ms=47.5,
        p99_ms=49.5,
        in_flight=3,
    )


def test_where_nobody_asked_no_share_and_no_time_is_known() -> None:
    idle = sample(signals(0, 100, 50, 50, (100,) * 6), signals(20, 100, 50, 50, (100,) * 6))
    assert row_of(idle) == (0, None, None, None, None, None, 0)


def test_who_gave_up_waiting_is_slow_and_has_no_time() -> None:
    hanging = sample(signals(0), signals(20, requests=4, slow=4, in_flight=40))
    assert row_of(hanging) == (0.2, 0, 1, None, None, None, 40)


def test_a_source_without_buckets_had_timed_nobody_yet() -> None:
    assert sample(signals(0), signals(10, 10, times=(0, 10, 10, 10, 10, 10))).p50_ms == 7.5


def test_an_error_whose_request_is_not_counted_yet_makes_no_share_above_one() -> None:
    assert sample(signals(0), signals(10, requests=1, errors=2, times=(1,) * 6)).error_share == 1


def test_a_row_is_in_the_order_of_the_metrics() -> None:
    found = sample(signals(0), signals(10, 100, 1, 2, (0, 20, 40, 80, 99, 100), in_flight=7))
    assert dict(zip(METRICS, row_of(found), strict=True)) == found.model_dump(include=set(METRICS))


@pytest.mark.parametrize(
    ("earlier", "later", "reason"),
    [
        (signals(0), signals(10, epoch="two"), "began to count anew"),
        (signals(10), signals(10), "no newer sample"),
        (signals(10), signals(0), "no newer sample"),
        (signals(0), signals(10, slow_ms=100), "objective was changed"),
        (signals(0), signals(10, slow_ms=None), "objective was changed"),
        (signals(0, requests=2), signals(10, requests=1), "went backwards"),
        (signals(0, 2, errors=2), signals(10, 9, errors=1), "went backwards"),
        (signals(0, 9, times=(0, 0, 9, 9, 9, 9)), signals(10, 9, times=(0, 5, 9, 9, 9, 9)), "went backwards"),
        (signals(0, 9, times=(9,) * 6, timed=12), signals(10, 9, times=(9,) * 6, timed=10), "went backwards"),
        (signals(0, 9, times=(9,) * 6), signals(10, 9, times=(9,) * 6, bounds=(*BOUNDS[:5], 500.0)), "buckets"),
        (signals(0, 9, times=(9,) * 6), signals(10, 9), "buckets"),
    ],
    ids=[
        "another epoch",
        "no time between",
        "the clock went backwards",
        "another objective",
        "no objective any more",
        "fewer requests",
        "fewer errors",
        "one bucket lost some to another",
        "the last bucket lost some",
        "other buckets",
        "the buckets are gone",
    ],
)
def test_readings_that_do_not_compare_give_no_data(earlier: Signals, later: Signals, reason: str) -> None:
    found = between(earlier, later)
    assert isinstance(found, NoData)
    assert (found.service, found.region) == ("payments", "eu")
    assert reason in found.reason


def test_a_missing_reading_is_the_reason_of_no_data() -> None:
    missing = NoData(service="payments", region="eu", reason="away")
    assert between(missing, signals()) == between(signals(), missing) == missing


def test_signals_and_samples_survive_json() -> None:
    later = signals(10, 100, 1, 2, (0, 20, 40, 80, 99, 100), in_flight=7, timed=101)
    assert Signals.model_validate_json(later.model_dump_json()) == later
    for found in (sample(signals(0), later), sample(signals(0), signals(10))):
        assert Sample.model_validate_json(found.model_dump_json()) == found


def test_without_buckets_no_time_is_known() -> None:
    assert sample(signals(0), signals(10, 7, timed=7)).p50_ms is None


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_above_the_last_bound_a_quantile_is_that_bound(share: float) -> None:
    assert quantile(share, ((5.0, 0), (10.0, 0)), 7) == 10


@given(
    milliseconds=st.lists(st.floats(0.001, 999, allow_nan=False), min_size=1, max_size=60),
    share=st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]),
)
def test_on_fine_buckets_a_quantile_is_that_of_the_times_themselves(milliseconds: list[float], share: float) -> None:
    bounds = numpy.arange(1.0, 1001.0)
    within = (numpy.array(milliseconds)[None, :] <= bounds[:, None]).sum(axis=1)
    buckets = [(float(bound), int(count)) for bound, count in zip(bounds, within, strict=True)]
    found = quantile(share, buckets, len(milliseconds))
    assert found is not None
    exact = float(numpy.quantile(milliseconds, share, method="inverted_cdf"))
    assert abs(found - exact) <= 1.0 + 1e-9
