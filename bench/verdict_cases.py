"""What the verdict is measured on: releases that are equal, equal ones that are too bursty, and ones that are not."""

from __future__ import annotations

from dataclasses import dataclass

from bench.verdict_traffic import Scatter, Service, clumps, independent, spells, uneven

SMALL = Service(rps=100, share=0.05, errors=0.01)
EVEN = Service(rps=100, share=0.5, errors=0.01)
LARGE = Service(rps=1000, share=0.2, errors=0.01)
MOVING = Service(rps=200, share=(0.05, 0.1, 0.25, 0.5), errors=0.005, drift=4.0)
"""The weights of a rollback, while the errors of both releases grow."""


@dataclass(frozen=True)
class Case:
    name: str
    service: Service
    scatter: Scatter = independent
    target: float = 1.0
    baseline: float = 1.0
    """By how much the errors of each are multiplied."""
    history: bool = True
    """Whether there was an hour before, to estimate overdispersion from."""


EQUAL = (
    Case("100 rps, 5%", SMALL),
    Case("100 rps, 50%", EVEN),
    Case("1,000 rps, 20%", LARGE),
    Case("200 rps, 5 to 50%, errors growing fourfold", MOVING),
    Case("100 rps, 5%, no history", SMALL, history=False),
)
"""Plain errors; A/A."""

BURSTY = (
    Case("100 rps, 5%, uneven", SMALL, uneven(0.5)),
    Case("100 rps, 5%, clumps of 4", SMALL, clumps(4)),
    Case("100 rps, 5%, clumps of 10", SMALL, clumps(10)),
    Case("100 rps, 50%, clumps of 4", EVEN, clumps(4)),
    Case("1,000 rps, 20%, uneven", LARGE, uneven(0.5)),
    Case("1,000 rps, 20%, clumps of 4", LARGE, clumps(4)),
    Case("200 rps, 5 to 50%, errors growing fourfold, clumps of 4", MOVING, clumps(4)),
    Case("100 rps, 5%, spells of a minute, fourfold", SMALL, spells(4, 1, 0.1)),
    Case("100 rps, 5%, clumps of 2, no history", SMALL, clumps(2), history=False),
)
"""A/A."""

TOO_BURSTY = (
    Case("1,000 rps, 20%, spells of a minute, fourfold", LARGE, spells(4, 1, 0.1)),
    Case("1,000 rps, 20%, spells of a minute, eightfold", LARGE, spells(8, 1, 0.1)),
    Case("1,000 rps, 20%, spells of five minutes, fourfold", LARGE, spells(4, 5, 0.1)),
    Case("100 rps, 5%, clumps of 10, no history", SMALL, clumps(10), history=False),
)
"""A/A where one release alone is many times worse for minutes, by chance. Told, not promised."""

WORSE = (
    Case("errors x2", LARGE, target=2),
    Case("errors x1.5", LARGE, target=1.5),
    Case("errors x2, no history", LARGE, target=2, history=False),
    Case("errors x1.5, no history", LARGE, target=1.5, history=False),
    Case("errors x2, clumps of 4", LARGE, clumps(4), target=2),
    Case("errors x2, uneven", LARGE, uneven(0.5), target=2),
    Case("errors x2, 100 rps, 5%", SMALL, target=2),
    Case("errors x10, 100 rps, 5%", SMALL, target=10),
)
"""1,000 rps and 20% where nothing else is said."""

BETTER = (
    Case("baseline x5", SMALL, baseline=5),
    Case("baseline x20", SMALL, baseline=20),
    Case("baseline x5, clumps of 4", SMALL, clumps(4), baseline=5),
)
"""Canary reverse at 100 rps and 5%: the target is healthy, and the release beside it is not."""
