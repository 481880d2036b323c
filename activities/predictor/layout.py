"""What the rows of a group of entities look like: the one description that training, evaluation and serving share.

All windows are multiples of the horizon, so that one configuration serves every sampling interval.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.base import SternwayError


class LayoutRefused(SternwayError):
    """Rows that are laid out so cannot be looked at."""


@dataclass(frozen=True)
class Layout:
    """Entities with the same layout can be learned from together."""

    metrics: tuple[str, ...]
    """Names, in the order of the columns."""
    interval_s: int
    """Seconds between rows."""
    horizon: int
    """Rows within which "a new incident starts" is foretold: H."""
    period: int
    """Rows a day; 0 where the data knows no day."""
    merge: int
    """Rows: incidents nearer than this are one; also the cool-down after one."""
    business: bool = False
    """Whether each sample comes with revenue a minute, customers, requests a minute, the share of them that failed, and
    the share that the objective promises."""

    def __post_init__(self) -> None:
        """Raises LayoutRefused where a number has no meaning."""
        if not self.metrics or len(set(self.metrics)) < len(self.metrics):
            raise LayoutRefused(f"metrics are {self.metrics}: name one or more, each once")
        for name, value in (("interval_s", self.interval_s), ("horizon", self.horizon), ("merge", self.merge)):
            if value < 1:
                raise LayoutRefused(f"{name} is {value}: it must be 1 or more")
        if self.period < 0 or 0 < self.period < 4 * self.horizon:
            # The broadest look at earlier days reaches four horizons ahead, and must still end before now.
            raise LayoutRefused(
                f"period is {self.period} rows and horizon {self.horizon}: a day must have at least four horizons;"
                " take a shorter horizon, or period 0 if the data knows no day"
            )


@dataclass(frozen=True)
class Windows:
    """How many rows features look back."""

    short: int
    half: int
    horizon: int
    double: int
    long: int
    """The span of an exponential mean: as old on the average as a window of so many rows."""

    @staticmethod
    def of(layout: Layout) -> Windows:
        """A sixth, half, one, two and eight horizons."""
        horizon = layout.horizon
        return Windows(max(1, horizon // 6), max(2, horizon // 2), horizon, 2 * horizon, 8 * horizon)
