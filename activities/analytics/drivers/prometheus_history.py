"""An answer over a range, taken apart into what Prometheus would have answered at each of its instants. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from activities.analytics.drivers.prometheus_reading import Reading, Sample, Unusable
from models.telemetry import HISTORY_WINDOW_SECONDS, HISTORY_WINDOWS


class Series(BaseModel):
    """One element of a range vector: what it was at those instants at which it was there."""

    metric: dict[str, str]
    values: list[tuple[float, float]]


def instants(until: float) -> list[float]:
    """Between which the windows of a history lie, in seconds since 1970; the last one is *until*."""
    return [until - HISTORY_WINDOW_SECONDS * back for back in range(HISTORY_WINDOWS, -1, -1)]


def readings(answers: Mapping[str, Sequence[Series]], times: Sequence[float]) -> list[Reading]:
    """One for each of *times*, which are :func:`instants`. Raises :class:`Unusable` for an answer of other instants."""
    apart = {name: _apart(series, times) for name, series in answers.items()}
    return [Reading({name: samples[place] for name, samples in apart.items()}) for place in range(len(times))]


def _apart(series: Sequence[Series], times: Sequence[float]) -> list[list[Sample]]:
    found: list[list[Sample]] = [[] for _ in times]
    for one in series:
        for at, number in one.values:
            place = round((at - times[0]) / HISTORY_WINDOW_SECONDS)
            if not 0 <= place < len(times):
                raise Unusable(f"answered for another time than it was asked for: {at}")
            found[place].append(Sample(metric=one.metric, value=(at, number)))
    return found
