"""Made-up traffic of a target beside a baseline, and of the hour before: raw counts for many runs at once.

All arrays are *runs* by *windows*. How bad events scatter is one of :data:`Scatter`; each is called for each arm by
itself, since what strikes both arms alike cancels out and harms no comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WINDOW = 15.0
"""Seconds."""

WINDOWS = 240
"""An hour: that of the history, and the longest that a comparison goes on."""

Counts = NDArray[np.int64]
Shares = NDArray[np.float64]

Scatter = Callable[[np.random.Generator, Counts, Shares], Counts]
"""How many of an arm's requests are bad, given the share of bad ones that is expected."""


@dataclass(frozen=True)
class Arm:
    """Requests, errors and slow requests."""

    requests: Counts
    errors: Counts
    slow: Counts


@dataclass(frozen=True)
class Traffic:
    """*history*: of one release that had all requests, in the hour before; made apart from what is judged."""

    history: Arm
    target: Arm
    baseline: Arm


@dataclass(frozen=True)
class Service:
    """What both releases have in common; *errors* and *slow* are expected shares, 0 to 1."""

    rps: float
    share: float | tuple[float, ...]
    """The target's, or one for each equal part of the hour."""
    errors: float
    slow: float = 0.05
    drift: float = 1.0
    """By which both releases' expected errors grow in the course of the hour."""


def traffic(
    service: Service, scatter: Scatter, target: float, baseline: float, runs: int, rng: np.random.Generator
) -> Traffic:
    """*target*, *baseline*: by how much each one's errors are multiplied; 1 and 1 are A/A."""
    parts = np.atleast_1d(service.share)
    shares = np.repeat(parts, WINDOWS // len(parts))
    rises = np.linspace(1.0, service.drift, WINDOWS)
    requests = rng.poisson(service.rps * WINDOW, (runs, WINDOWS))
    ours = rng.binomial(requests, shares)

    def arm(requests: Counts, times: float, rises: Shares) -> Arm:
        errors = scatter(rng, requests, np.broadcast_to(np.minimum(1, service.errors * times * rises), requests.shape))
        slow = scatter(rng, requests, np.full(requests.shape, service.slow))
        return Arm(requests, errors, slow)

    before = rng.poisson(service.rps * WINDOW, (runs, WINDOWS))
    return Traffic(
        history=arm(before, 1.0, np.ones(WINDOWS)),
        target=arm(ours, target, rises),
        baseline=arm(requests - ours, baseline, rises),
    )


def independent(rng: np.random.Generator, requests: Counts, shares: Shares) -> Counts:
    return rng.binomial(requests, shares)


def uneven(variance: float) -> Scatter:
    """Each window of an arm has a rate of its own: the expected one times a gamma variable of mean 1."""

    def scatter(rng: np.random.Generator, requests: Counts, shares: Shares) -> Counts:
        rates = shares * rng.gamma(1 / variance, variance, requests.shape)
        return rng.binomial(requests, np.minimum(1, rates))

    return scatter


def clumps(mean: float) -> Scatter:
    """Bad events come together, in numbers that are geometric (1, 2, ...): a connection that breaks with what is on it.

    Overdispersion: 2 * mean - 1. Clumps of more than that are not rare.
    """

    def scatter(rng: np.random.Generator, requests: Counts, shares: Shares) -> Counts:
        number = rng.poisson(requests * shares / mean)
        further = np.where(number > 0, rng.negative_binomial(np.maximum(number, 1), 1 / mean), 0)
        return np.minimum(requests, number + further)

    return scatter


def spells(times: float, minutes: float, part: float) -> Scatter:
    """An arm has bad spells: *part* of the time, for *minutes* at the mean, its rate is *times* that of good times."""
    end = WINDOW / 60 / minutes
    begin = end * part / (1 - part)
    good = 1 / (1 - part + part * times)

    def scatter(rng: np.random.Generator, requests: Counts, shares: Shares) -> Counts:
        chances = rng.random(requests.shape)
        bad = chances < part
        for at in range(1, WINDOWS):
            bad[:, at] = np.where(bad[:, at - 1], chances[:, at] >= end, chances[:, at] < begin)
        return rng.binomial(requests, np.minimum(1, shares * good * np.where(bad, times, 1.0)))

    return scatter
