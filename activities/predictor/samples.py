"""From two readings of cumulative signals to one sample: rates, shares and quantiles of what lies between. Pure.

What cannot be known is said to be unknown. A restarted source, a counter that went backwards or a source that shows
nothing new gives no sample; a service that nobody asked has no share of errors, and not one of zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from models.sample import Sample
from models.telemetry import Count, NoData, Signals

METRICS: Final = ("requests_per_second", "error_share", "slow_share", "p50_ms", "p95_ms", "p99_ms", "in_flight")
"""The fields of a sample that are learned from, in the order of the columns."""


def row_of(sample: Sample) -> tuple[float | None, ...]:
    """Its :data:`METRICS`."""
    return tuple(getattr(sample, metric) for metric in METRICS)


def between(earlier: Signals | NoData, later: Signals | NoData) -> Sample | NoData:
    """What callers saw of one service between two readings; no data where either is missing or they do not compare."""
    if isinstance(earlier, NoData):
        return earlier
    if isinstance(later, NoData):
        return later
    service, region = later.service, later.region
    if reason := _incomparable(earlier, later):
        return NoData(service=service, region=region, reason=reason)
    seconds = (later.at - earlier.at).total_seconds()
    users = _difference(earlier.users, later.users)
    times, timed = _times_between(earlier, later), later.timed - earlier.timed
    if min(*users.model_dump().values(), *_within_each(times, timed)) < 0:
        return NoData(service=service, region=region, reason="the counters of the listener went backwards")
    return Sample(
        service=service,
        region=region,
        at=later.at,
        seconds=seconds,
        requests_per_second=users.requests / seconds,
        error_share=_share(users.errors, users.requests),
        slow_share=_share(users.slow, users.requests),
        p50_ms=quantile(0.50, times, timed),
        p95_ms=quantile(0.95, times, timed),
        p99_ms=quantile(0.99, times, timed),
        in_flight=later.in_flight,
    )


def quantile(share: float, times: Sequence[tuple[float, int]], timed: int) -> float | None:
    """Milliseconds within which this *share* (above 0, at most 1) of the requests was answered; none without requests.

    *times*: a cumulative histogram by rising bounds above 0, of *timed* requests in all. As ``histogram_quantile`` of
    Prometheus tells it (``bucketQuantile`` in promql/quantile.go): linear inside the bucket in which it lies, the
    first of which begins at 0; above the last bound it is that bound.
    """
    if timed == 0 or not times:
        return None
    rank = share * timed
    lower, below = 0.0, 0
    for bound, within in times:
        if within >= rank:
            return lower + (bound - lower) * (rank - below) / (within - below)
        lower, below = bound, within
    return lower


def _incomparable(earlier: Signals, later: Signals) -> str:
    """Why nothing can be said of the time between them; empty where it can."""
    if earlier.epoch != later.epoch:
        return "the source began to count anew between the two readings"
    if later.at <= earlier.at:
        return "the source shows no newer sample"
    if later.slow_ms != earlier.slow_ms:
        return "the latency objective was changed between the two readings"
    if earlier.times and [bound for bound, _ in earlier.times] != [bound for bound, _ in later.times]:
        return "the source changed the buckets of its histogram between the two readings"
    return ""


def _difference(earlier: Count, later: Count) -> Count:
    return Count(
        requests=later.requests - earlier.requests,
        errors=later.errors - earlier.errors,
        slow=later.slow - earlier.slow,
    )


def _times_between(earlier: Signals, later: Signals) -> list[tuple[float, int]]:
    """The cumulative histogram of those between. A source without buckets had timed nobody yet."""
    before = [within for _, within in earlier.times] or [0] * len(later.times)
    return [(bound, within - then) for (bound, within), then in zip(later.times, before, strict=True)]


def _within_each(times: Sequence[tuple[float, int]], timed: int) -> list[int]:
    """How many are in each bucket alone, the last one without a bound too."""
    cumulative = [0, *(within for _, within in times), timed]
    return [later - earlier for earlier, later in pairwise(cumulative)]


def _share(part: int, requests: int) -> float | None:
    """The counters are not read at one instant: there may be an error whose request is not counted yet."""
    return min(1.0, part / requests) if requests else None
