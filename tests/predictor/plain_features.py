"""Each feature written down naively from its formula, over the whole history of one entity; nothing is incremental.

A plain function takes the history and the row t, looks at rows up to t only, and answers one number, or one for each
metric or detector.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy

from activities.predictor.layout import Layout

Answer = float | numpy.ndarray


@dataclass
class History:
    """Rows of one entity; ``ranks`` has those of the bank's own detectors too, computed plainly."""

    layout: Layout
    scaled: numpy.ndarray
    strangeness: numpy.ndarray
    observed: numpy.ndarray
    active: numpy.ndarray
    first_slot: int
    recorded_from: int
    business: numpy.ndarray | None
    detectors: tuple[str, ...]
    ranks: numpy.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.ranks = numpy.concatenate([self.strangeness, surprise_ranks(self.scaled, self.H)], axis=1)

    @property
    def H(self) -> int:  # noqa: N802 -- the letter of the formulas
        return self.layout.horizon

    @property
    def P(self) -> int:  # noqa: N802 -- the letter of the formulas
        return self.layout.period

    @property
    def short(self) -> int:
        return max(1, self.H // 6)

    @property
    def half(self) -> int:
        return max(2, self.H // 2)

    def slot(self, t: int) -> int:
        return (self.first_slot + t) % self.P if self.P else 0

    def days_before(self, t: int) -> list[int]:
        """Row t moved back by one, two, ... days."""
        return list(range(t - self.P, -1, -self.P))


PLAIN: dict[str, Callable[[History, int], Answer]] = {}


def plain(name: str) -> Callable[[Callable[[History, int], Answer]], Callable[[History, int], Answer]]:
    def remember(function: Callable[[History, int], Answer]) -> Callable[[History, int], Answer]:
        assert name not in PLAIN, name
        PLAIN[name] = function
        return function

    return remember


# Building blocks


def last(values: numpy.ndarray, t: int, window: int) -> numpy.ndarray:
    return values[max(0, t - window + 1) : t + 1]


def mean(values: numpy.ndarray, t: int, window: int) -> numpy.ndarray:
    return last(values, t, window).mean(axis=0)


def before(values: numpy.ndarray, t: int, window: int) -> numpy.ndarray:
    """The window before the last window."""
    return values[max(0, t - 2 * window + 1) : max(0, t - window + 1)]


@cache
def weights(t: int, gain: float) -> numpy.ndarray:
    """Of rows 0 to t in an exponential mean that is a plain mean at first."""
    gains = numpy.array([max(gain, 1 / (row + 1)) for row in range(t + 1)])
    return numpy.array([gains[row] * numpy.prod(1 - gains[row + 1 :]) for row in range(t + 1)])


def span(rows: int) -> float:
    return 2 / (rows + 1)


def half_life(rows: float) -> float:
    return 1 - 0.5 ** (1 / rows)


def smooth(values: numpy.ndarray, t: int, gain: float) -> numpy.ndarray:
    return numpy.tensordot(weights(t, gain), values[: t + 1].astype(float), axes=1)


def slow(h: History, values: numpy.ndarray, t: int) -> numpy.ndarray:
    return smooth(values, t, span(8 * h.H))


def slow_deviation(h: History, t: int) -> numpy.ndarray:
    return numpy.sqrt(slow(h, (h.scaled - slow(h, h.scaled, t)) ** 2, t))


def over_days(values: Sequence[Answer], newest: float) -> Answer:
    """Exponential mean over days, newest first; the oldest is taken as it is."""
    answer = values[-1]
    for value in reversed(values[:-1]):
        answer = newest * value + (1 - newest) * answer
    return answer


def surprise_ranks(scaled: numpy.ndarray, horizon: int) -> numpy.ndarray:
    rows, metrics = scaled.shape
    ranks = numpy.zeros((rows, 3))
    slow_gain, fast_gain = half_life(8 * horizon), half_life(horizon / 4)
    unit = math.sqrt(fast_gain / (2 - fast_gain))
    alarm_row, alarm_rank = -horizon, 0.0
    mean_, variance, fast = numpy.zeros(metrics), numpy.ones(metrics), numpy.zeros(metrics)
    up, down = numpy.zeros(metrics), numpy.zeros(metrics)
    for t, x in enumerate(scaled):
        gain = max(slow_gain, 1 / (t + 2))
        z = numpy.clip((x - mean_) / (numpy.sqrt(variance) + 0.1), -20, 20)
        mean_ = (1 - gain) * mean_ + gain * x
        variance = (1 - gain) * variance + gain * (x - mean_) ** 2
        fast = (1 - fast_gain) * fast + fast_gain * z
        up, down = numpy.clip(up + z - 0.5, 0, 50), numpy.clip(down - z - 0.5, 0, 50)
        ewma = 2 * math.log10(max(1.0, float(numpy.abs(fast).max()) / unit))
        if t - alarm_row < horizon and ewma <= alarm_rank + 0.5:
            ewma = min(ewma, 2.0)
        elif ewma > 2.0:
            alarm_row, alarm_rank = t, ewma
        cusum = float(numpy.mean([2 * math.log10(1 + max(a, b)) for a, b in zip(up, down, strict=True)]))
        ranks[t] = ewma, cusum, 2 * math.log10(max(1.0, float(numpy.abs(z).max())))
    return ranks


# Levels


@plain("level")
def level(h: History, t: int) -> Answer:
    return mean(h.scaled, t, h.short)


@plain("level_long")
def level_long(h: History, t: int) -> Answer:
    return slow(h, h.scaled, t)


@plain("z_short")
def z_short(h: History, t: int) -> Answer:
    return numpy.clip((level(h, t) - level_long(h, t)) / (slow_deviation(h, t) + 0.1), -20, 20)


@plain("deviation_ratio")
def deviation_ratio(h: History, t: int) -> Answer:
    return numpy.log((last(h.scaled, t, h.half).std(axis=0) + 0.05) / (slow_deviation(h, t) + 0.05))


@plain("slope")
def slope(h: History, t: int) -> Answer:
    earlier = before(h.scaled, t, h.half)
    return mean(h.scaled, t, h.half) - earlier.mean(axis=0) if len(earlier) else 0 * h.scaled[t]


@plain("slope_long")
def slope_long(h: History, t: int) -> Answer:
    earlier = before(h.scaled, t, 2 * h.H)
    return mean(h.scaled, t, 2 * h.H) - earlier.mean(axis=0) if len(earlier) else 0 * h.scaled[t]


@plain("missing_share")
def missing_share(h: History, t: int) -> Answer:
    return slow(h, ~h.observed, t)


@plain("age")
def age(h: History, t: int) -> Answer:
    return math.log(1 + t / h.H)


@plain("off_opening")
def off_opening(h: History, t: int) -> Answer:
    return mean(h.scaled, t, h.half) - h.scaled[: min(t + 1, h.H)].mean(axis=0)


def aggregated(name: str, of: Callable[[History, int], Answer], *ways: str, limit: float = 3.0) -> None:
    """Plain aggregates over metrics of a feature that each metric has."""
    if "mean" in ways:
        plain(f"{name}_mean")(lambda h, t: numpy.abs(of(h, t)).mean())
    if "max" in ways:
        plain(f"{name}_max")(lambda h, t: numpy.abs(of(h, t)).max())
    if "beyond" in ways:
        plain(f"{name.removesuffix('_abs')}_beyond_{limit:.0f}")(lambda h, t: (numpy.abs(of(h, t)) > limit).mean())


aggregated("level_abs", level, "mean", "max", "beyond")
aggregated("z_abs", z_short, "mean", "max", "beyond")
aggregated("ratio_abs", deviation_ratio, "mean", "max", "beyond", limit=1.0)
aggregated("slope_abs", slope, "mean", "max")
aggregated("slope_long_abs", slope_long, "mean", "max")
aggregated("off_opening", off_opening, "mean", "max")


# Strangeness


@plain("strangeness_short")
def strangeness_short(h: History, t: int) -> Answer:
    return mean(h.ranks, t, h.short)


@plain("strangeness_max")
def strangeness_max(h: History, t: int) -> numpy.ndarray:
    return last(h.ranks, t, h.H).max(axis=0)


@plain("strangeness_long")
def strangeness_long(h: History, t: int) -> Answer:
    return slow(h, h.ranks, t)


@plain("strangeness_often")
def strangeness_often(h: History, t: int) -> Answer:
    return slow(h, h.ranks > 2, t)


@plain("detectors_agreeing")
def detectors_agreeing(h: History, t: int) -> Answer:
    return float(numpy.mean(strangeness_max(h, t) > 2))


def maxima_next(h: History, t: int) -> list[Answer]:
    """Of each day earlier on which what came next, or its end, was seen; newest first."""
    return [h.ranks[max(u + 1, 0) : u + h.H + 1].max(axis=0) for u in range(t - h.P, -h.H - 1, -h.P)]


@plain("strangeness_next")
def strangeness_next(h: History, t: int) -> Answer:
    return over_days(maxima_next(h, t), 0.25) if maxima_next(h, t) else 0 * h.ranks[t]


@plain("strangeness_next_1d")
def strangeness_next_1d(h: History, t: int) -> Answer:
    return maxima_next(h, t)[0] if maxima_next(h, t) else 0 * h.ranks[t]


# Correlations


def correlations(h: History, t: int, rows: int) -> tuple[numpy.ndarray, numpy.ndarray, float]:
    """Correlation matrix, correlation with the mean of all, and concentration; weighted by an exponential window."""
    weight = weights(t, span(rows))
    x = h.scaled[: t + 1] - numpy.average(h.scaled[: t + 1], axis=0, weights=weight)
    covariance = (x * weight[:, None]).T @ x
    width = numpy.sqrt(numpy.diag(covariance))
    matrix = covariance / (numpy.outer(width, width) + 1e-3)
    of_all = x.mean(axis=1)
    with_all = weight @ (x * of_all[:, None]) / (width * math.sqrt(weight @ of_all**2) + 1e-3)
    eigenvalues = numpy.linalg.eigvalsh(matrix)
    return matrix, with_all, float((eigenvalues**2).sum() / max(eigenvalues.sum() ** 2, 1e-3))


def changes(h: History, t: int) -> numpy.ndarray:
    change = numpy.abs(correlations(h, t, 2 * h.H)[0] - correlations(h, t, 16 * h.H)[0])
    numpy.fill_diagonal(change, 0)
    return change


@plain("cohesion")
def cohesion(h: History, t: int) -> Answer:
    return numpy.abs(correlations(h, t, 2 * h.H)[1]).mean()


@plain("cohesion_change")
def cohesion_change(h: History, t: int) -> Answer:
    return cohesion(h, t) - numpy.abs(correlations(h, t, 16 * h.H)[1]).mean()


@plain("correlation_size")
def correlation_size(h: History, t: int) -> Answer:
    matrix = correlations(h, t, 2 * h.H)[0]
    return numpy.abs(matrix[numpy.triu_indices(len(matrix), 1)]).mean()


@plain("correlation_change")
def correlation_change(h: History, t: int) -> Answer:
    change = changes(h, t)
    return change.sum(axis=1) / (len(change) - 1)


@plain("correlation_change_mean")
def correlation_change_mean(h: History, t: int) -> Answer:
    return float(numpy.mean(correlation_change(h, t)))


@plain("correlation_change_max")
def correlation_change_max(h: History, t: int) -> Answer:
    return changes(h, t).max()


@plain("parting_max")
def parting_max(h: History, t: int) -> Answer:
    return float(numpy.max(correlation_change(h, t)))


@plain("concentration")
def concentration(h: History, t: int) -> Answer:
    return correlations(h, t, 2 * h.H)[2]


@plain("concentration_change")
def concentration_change(h: History, t: int) -> Answer:
    return concentration(h, t) - correlations(h, t, 16 * h.H)[2]


# Seasons


@plain("day_sin")
def day_sin(h: History, t: int) -> Answer:
    return math.sin(2 * math.pi * h.slot(t) / h.P)


@plain("day_cos")
def day_cos(h: History, t: int) -> Answer:
    return math.cos(2 * math.pi * h.slot(t) / h.P)


def profile(h: History, t: int) -> Answer:
    return over_days([mean(h.scaled, u, h.half) for u in h.days_before(t)], 0.35)


@plain("off_profile")
def off_profile(h: History, t: int) -> Answer:
    return mean(h.scaled, t, h.half) - profile(h, t) if t >= h.P else 0 * h.scaled[t]


@plain("profile_change")
def profile_change(h: History, t: int) -> Answer:
    if t < h.P:
        return 0 * h.scaled[t]
    # A window that had begun before the first row is what there is of it.
    windows = [h.scaled[max(u + 1, 0) : u + h.H + 1] for u in range(t - h.P, -h.H - 1, -h.P)]
    return over_days([window.mean(axis=0) for window in windows], 0.35) - profile(h, t)


aggregated("off_profile", off_profile, "mean", "max")
aggregated("profile_change", profile_change, "mean", "max")


# Incidents


def incidents(h: History, t: int) -> list[tuple[int, int]]:
    """Start and last active row so far of each."""
    found: list[tuple[int, int]] = []
    for row in numpy.flatnonzero(h.active[: t + 1]).tolist():
        if found and row - found[-1][1] - 1 < h.layout.merge:
            found[-1] = (found[-1][0], row)
        else:
            found.append((row, row))
    return found


def incident_starts(h: History, t: int) -> list[int]:
    return [start for start, _ in incidents(h, t)]


@plain("since_last_start")
def since_last_start(h: History, t: int) -> Answer:
    starts = incident_starts(h, t)
    return min(math.log(1 + (t - starts[-1]) / h.H), 6.0) if starts else 6.0


@plain("since_last_active")
def since_last_active(h: History, t: int) -> Answer:
    found = incidents(h, t)
    return min(math.log(1 + (t - found[-1][1]) / h.H), 6.0) if found else 6.0


@plain("incident_rate")
def incident_rate(h: History, t: int) -> Answer:
    return (len(incidents(h, t)) + 0.5) / ((t - recorded(h, t)) / (48 * h.H) + 2)


def recorded(h: History, t: int) -> int:
    """Row from which outcomes are recorded, as far as is known at row t."""
    return h.recorded_from if t >= h.recorded_from else 0


def decayed(rows: list[int], t: int, half: float) -> float:
    return sum(0.5 ** ((t - row) / half) for row in rows)


for _horizons in (8, 48, 192):
    plain(f"starts_{_horizons}H")(lambda h, t, horizons=_horizons: decayed(incident_starts(h, t), t, horizons * h.H))


@plain("active_share")
def active_share(h: History, t: int) -> Answer:
    gain = half_life(48 * h.H)
    return sum(gain * (1 - gain) ** (t - row) for row in numpy.flatnonzero(h.active[: t + 1]).tolist())


@plain("last_length")
def last_length(h: History, t: int) -> Answer:
    over = [end + 1 - start for start, end in incidents(h, t) if t - end - 1 >= h.layout.merge]
    # The length of the one before is known at the row at which a next one starts, too.
    known = [end + 1 - start for start, end in incidents(h, t)[:-1]]
    lengths = over if len(over) > len(known) else known
    return math.log(1 + lengths[-1] / h.H) if lengths else 0.0


@plain("gap_ratio")
def gap_ratio(h: History, t: int) -> Answer:
    starts = incident_starts(h, t)
    return math.log((t - starts[-1] + 1) / (starts[-1] - starts[-2] + 1)) if len(starts) > 1 else 0.0


REACHES = {"exact": (0, 1), "wide": (1, 2), "broad": (4, 4)}
"""Horizons before and after the slot."""


def hit_days(h: History, t: int, rows: list[int], reach: str) -> list[float]:
    """For each day earlier, newest first, as far back as its window had closed: whether one of *rows* lies in it."""
    back, ahead = REACHES[reach]
    return [
        float(any(u - back * h.H < row <= u + ahead * h.H for row in rows))
        for u in range(t - h.P, -ahead * h.H - 1, -h.P)
    ]


for _reach in REACHES:
    plain(f"days_hit_{_reach}")(lambda h, t, reach=_reach: sum(hit_days(h, t, incident_starts(h, t), reach)))
    plain(f"share_hit_{_reach}")(
        lambda h, t, reach=_reach: sum(hit_days(h, t, incident_starts(h, t), reach)) / ((t - recorded(h, t)) / h.P + 1)
    )
    plain(f"recent_hit_{_reach}")(
        lambda h, t, reach=_reach: over_days(hit_days(h, t, incident_starts(h, t), reach) or [0.0], 0.4)
    )

for _days in (1, 2, 7):
    plain(f"hit_{_days}d")(
        lambda h, t, days=_days: float(
            any(t - days * h.P < row <= t - days * h.P + h.H for row in incident_starts(h, t))
        )
    )


@plain("to_next_seasonal")
def to_next_seasonal(h: History, t: int) -> Answer:
    waits = [(row - t) % h.P or h.P for row in incident_starts(h, t)[-32:]]
    return math.log(1 + min(waits, default=h.P) / h.H)


@plain("hour_share")
def hour_share(h: History, t: int) -> Answer:
    hour = h.P // 24
    starts = incident_starts(h, t)
    hits = [any(u < row <= u + h.H for row in starts) for u in range(t - hour, -h.H - 1, -hour)]
    return sum(hits) / ((t - recorded(h, t)) / h.P * 24 + 12)


# Spikes


def spikes(h: History, t: int) -> list[int]:
    speaking = [i for i, name in enumerate(h.detectors) if name in ("robust_z", "isolation_forest", "jump")]
    hot = numpy.flatnonzero(h.ranks[: t + 1, speaking].mean(axis=1) > 2.3).tolist()
    return [row for i, row in enumerate(hot) if i == 0 or row - hot[i - 1] > h.H]


@plain("spike_trust")
def spike_trust(h: History, t: int) -> Answer:
    wait = h.H // 2
    judged = [row for row in spikes(h, t) if recorded(h, t) <= row + wait <= t]
    # From half a horizon before the spike's judgement; a spike is judged half a horizon after it.
    confirmed = [row for row in judged if h.active[row : row + wait + 1].any()]
    return (len(confirmed) + 0.2) / (len(judged) + 2)


@plain("spike_rate")
def spike_rate(h: History, t: int) -> Answer:
    return decayed(spikes(h, t), t, 192 * h.H)


@plain("since_spike")
def since_spike(h: History, t: int) -> Answer:
    rows = spikes(h, t)
    return min(math.log(1 + (t - rows[-1]) / h.H), 6.0) if rows else 6.0


for _reach in ("exact", "wide"):
    plain(f"spike_share_{_reach}")(lambda h, t, reach=_reach: sum(hit_days(h, t, spikes(h, t), reach)) / (t / h.P + 1))
    plain(f"spike_recent_{_reach}")(
        lambda h, t, reach=_reach: over_days(hit_days(h, t, spikes(h, t), reach) or [0.0], 0.3)
    )


# Business


def numbers(h: History) -> numpy.ndarray:
    assert h.business is not None
    return numpy.nan_to_num(h.business)


def share_of(requests: float, failed: float) -> float:
    return failed / requests if requests > 0 else 0.0


def failed_over(h: History, rows: slice) -> float:
    part = numbers(h)[rows]
    return share_of(part[:, 2].sum(), (part[:, 2] * part[:, 3]).sum())


def budget(h: History, t: int) -> float:
    assert h.business is not None
    promised = h.business[t, 4]
    return math.inf if math.isnan(promised) else max(1 - promised, 1e-6)


def failed_long(h: History, t: int) -> float:
    requests = numbers(h)[:, 2]
    return share_of(float(slow(h, requests, t)), float(slow(h, requests * numbers(h)[:, 3], t)))


@plain("failed_share")
def failed_share(h: History, t: int) -> Answer:
    return failed_over(h, slice(max(0, t - h.short + 1), t + 1))


@plain("burn_short")
def burn_short(h: History, t: int) -> Answer:
    return failed_share(h, t) / budget(h, t)


@plain("burn_horizon")
def burn_horizon(h: History, t: int) -> Answer:
    return failed_over(h, slice(max(0, t - h.H + 1), t + 1)) / budget(h, t)


@plain("burn_long")
def burn_long(h: History, t: int) -> Answer:
    return failed_long(h, t) / budget(h, t)


@plain("burn_rising")
def burn_rising(h: History, t: int) -> Answer:
    return burn_short(h, t) - burn_long(h, t)


@plain("failed_share_trend")
def failed_share_trend(h: History, t: int) -> Answer:
    if t < h.half:
        return 0.0
    earlier = slice(max(0, t - 2 * h.half + 1), t - h.half + 1)
    return failed_over(h, slice(t - h.half + 1, t + 1)) - failed_over(h, earlier)


@plain("revenue_at_risk")
def revenue_at_risk(h: History, t: int) -> Answer:
    return math.log(1 + numbers(h)[t, 0] * failed_share(h, t))


@plain("revenue")
def revenue(h: History, t: int) -> Answer:
    return math.log(1 + numbers(h)[t, 0])


@plain("customers_at_risk")
def customers_at_risk(h: History, t: int) -> Answer:
    return math.log(1 + numbers(h)[t, 1] * failed_share(h, t))


@plain("customers")
def customers(h: History, t: int) -> Answer:
    return math.log(1 + numbers(h)[t, 1])


@plain("requests_to_recent")
def requests_to_recent(h: History, t: int) -> Answer:
    requests = numbers(h)[:, 2]
    return math.log((mean(requests, t, h.short) + 1) / (slow(h, requests, t) + 1))


@plain("requests_trend")
def requests_trend(h: History, t: int) -> Answer:
    requests = numbers(h)[:, 2]
    earlier = before(requests, t, h.half)
    return math.log((mean(requests, t, h.half) + 1) / (earlier.mean() + 1)) if len(earlier) else 0.0


@plain("requests_to_yesterday")
def requests_to_yesterday(h: History, t: int) -> Answer:
    requests = numbers(h)[:, 2]
    return math.log((mean(requests, t, h.half) + 1) / (mean(requests, t - h.P, h.half) + 1)) if t >= h.P else 0.0


@plain("worth_known")
def worth_known(h: History, t: int) -> Answer:
    assert h.business is not None
    return numpy.isfinite(h.business[t]).mean()
