"""Three judges of the same counts, for many runs at once: the e-process, Mann-Whitney, and a fixed threshold.

The first is the arithmetic of ``activities/analytics/comparison.py`` on arrays, where that takes one window of one run.
That both come to the same is tested, and looked at again in every measurement.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# scipy has no types.
from scipy.stats import mannwhitneyu  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from activities.analytics.comparison import threshold
from activities.analytics.e_process import ODDS
from activities.analytics.verdict import ALPHA
from bench.verdict_traffic import WINDOW, WINDOWS, Arm, Counts

NEVER = -1
"""In place of the window at which a judge speaks."""

Firsts = NDArray[np.int64]
"""For each run the window after which the judge speaks for the first time: 1 is the first window."""

Floats = NDArray[np.float64]


def harmful(target: Arm, baseline: Arm, divisors: tuple[Floats, Floats], least: int) -> Firsts:
    """When the comparison fails the target, if ever. *divisors*: of errors and of slow requests, for each run."""
    highest = [np.maximum.accumulate(each, axis=1) for each in _log_es(target, baseline, divisors)]
    shown = np.max(highest, axis=0) >= threshold(len(highest))
    return _first(shown & _enough(target, baseline, least))


def better(target: Arm, baseline: Arm, divisors: tuple[Floats, Floats], least: int) -> Firsts:
    """When the comparison first shows an improvement, and has failed the target neither then nor before."""
    shown = np.max(_log_es(baseline, target, divisors), axis=0) >= threshold(len(divisors))
    shown &= _enough(target, baseline, least)
    harm = harmful(target, baseline, divisors, least)
    windows = np.arange(1, WINDOWS + 1)
    return _first(shown & ((harm == NEVER)[:, None] | (windows < harm[:, None])))


def mann_whitney(target: Arm, baseline: Arm) -> Firsts:
    """One-sided test on the windows' shares of errors so far, at each whole minute, each time at ALPHA."""
    ours, theirs = _rates(target), _rates(baseline)
    first = np.full(len(ours), NEVER)
    minute = round(60 / WINDOW)
    for windows in range(minute, WINDOWS + 1, minute):
        silent = np.flatnonzero(first == NEVER)
        if not len(silent):
            break
        chances = _chances(ours[silent, :windows], theirs[silent, :windows])
        first[silent[chances <= ALPHA]] = windows
    return first


def fixed_threshold(target: Arm, baseline: Arm, times: float = 2.0, breaches: int = 4) -> Firsts:
    """The window of the fourth breach: more than twice the baseline's share of errors."""
    return _first(np.cumsum(_rates(target) > times * _rates(baseline), axis=1) >= breaches)


def _log_es(target: Arm, baseline: Arm, divisors: tuple[Floats, Floats]) -> list[Floats]:
    """log E for harm of the target, after each window, for errors and slow requests."""
    both = (target.requests > 0) & (baseline.requests > 0)
    share = np.where(both, target.requests / np.maximum(1, target.requests + baseline.requests), 0.0)
    pairs = ((target.errors, baseline.errors), (target.slow, baseline.slow))
    return [
        _log_e(np.where(both, ours, 0), np.where(both, theirs, 0), share, divisor[:, None])
        for (ours, theirs), divisor in zip(pairs, divisors, strict=True)
    ]


def _log_e(ours: Counts, theirs: Counts, share: Floats, divisor: Floats) -> Floats:
    ratios = [
        np.cumsum((ours * np.log(odds) - (ours + theirs) * np.log(odds * share + 1 - share)) / divisor, axis=1)
        for odds in ODDS
    ]
    return np.logaddexp.reduce(ratios, axis=0) - np.log(len(ODDS))


def _chances(ours: Floats, theirs: Floats) -> Floats:
    """Of such ranks, or of higher ones of ours, if both are alike; of each row."""
    test: Any = mannwhitneyu(ours, theirs, alternative="greater", method="asymptotic", axis=1)
    return np.asarray(test.pvalue, dtype=np.float64)


def _enough(target: Arm, baseline: Arm, least: int) -> NDArray[np.bool_]:
    both = (target.requests > 0) & (baseline.requests > 0)
    fewest = np.minimum(*(np.cumsum(np.where(both, arm.requests, 0), axis=1) for arm in (target, baseline)))
    return fewest >= least


def _rates(arm: Arm) -> Floats:
    return arm.errors / np.maximum(1, arm.requests)


def _first(shown: NDArray[np.bool_]) -> Firsts:
    return np.where(shown.any(axis=1), shown.argmax(axis=1) + 1, NEVER)
