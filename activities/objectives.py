"""How much of an objective's error budget a window of counts burns, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from models.catalog import Slos
from models.telemetry import Count

Z: Final = 1.96
"""Two-sided 95 % of the normal distribution."""


@dataclass(frozen=True)
class Burn:
    """Bad events of one objective, held against the share that it allows."""

    objective: str
    """``availability`` or ``latency``."""
    bad: int
    total: int
    allowed: float
    """The largest acceptable share of bad events, 0 to 1."""

    @property
    def rate(self) -> float | None:
        """Multiples of the rate that would just use the budget up in its period; none without requests.

        Source: Google, The Site Reliability Workbook, chapter 5, "Burn rate".
        """
        return self.bad / self.total / self.allowed if self.total else None

    @property
    def within(self) -> bool:
        """As few bad events as allowed, or fewer. What is allowed is a decimal that floating point cannot hold."""
        return self.bad <= self.allowed * self.total * (1 + 1e-9)

    @property
    def share(self) -> tuple[float, float]:
        """The 95 % interval of the share of bad events."""
        return wilson(self.bad, self.total)


def burns(count: Count, slos: Slos) -> tuple[Burn, ...]:
    """One for each objective that the service has."""
    found = [Burn("availability", count.errors, count.requests, (100 - slos.availability.objective) / 100)]
    if slos.latency is not None:
        found.append(Burn("latency", count.slow, count.requests, (100 - slos.latency.objective) / 100))
    return tuple(found)


def wilson(bad: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share, 0 to 1; everything is possible where nothing was counted.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference (1927).
    """
    if total == 0:
        return 0.0, 1.0
    share, square = bad / total, Z * Z / total
    middle = share + square / 2
    reach = Z * math.sqrt(share * (1 - share) / total + square / (4 * total))
    return max(0.0, (middle - reach) / (1 + square)), min(1.0, (middle + reach) / (1 + square))
