"""What can be set, with ranges that are checked where it is made: a wrong value never waits until a call comes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Any


class ConfigurationError(ValueError):
    """A setting is out of its range: names the parameter, what it was, and what it may be."""


def check(name: str, value: object, least: float, most: float = inf, *, above: bool = False) -> None:
    """A finite number; *least* itself is allowed unless *above*. Raises :class:`ConfigurationError`."""
    if not _in_range(value, (int, float), least, most, above):
        raise ConfigurationError(f"{name} must be a number {_range(least, most, above)}, not {value!r}")


def check_count(name: str, value: object, least: int, most: float = inf) -> None:
    """A whole number. Raises :class:`ConfigurationError`."""
    if not _in_range(value, int, least, most, False):
        raise ConfigurationError(f"{name} must be a whole number {_range(least, most, False)}, not {value!r}")


def _in_range(value: Any, kinds: type | tuple[type, ...], least: float, most: float, above: bool) -> bool:
    if not isinstance(value, kinds) or isinstance(value, bool) or not -inf < value < inf:
        return False
    return value <= most and (value > least if above else value >= least)


def _range(least: float, most: float, above: bool) -> str:
    low = f"above {least:g}" if above else f"at least {least:g}"
    return low if most == inf else f"{low} and at most {most:g}"


class Mode(Enum):
    """What a breaker may do; people and the control plane set it."""

    ON = "on"
    SHADOW = "shadow"
    """It decides and says so, and lets every call through."""
    FORCED_OPEN = "forced-open"
    OFF = "off"


@dataclass(frozen=True)
class Learned:
    """Trip where calls have become worse than they were, with a budget of false trips."""

    false_trips: float = 5.0
    """A million healthy calls, at most."""
    least: int = 25
    """Bad calls below which nothing is harm: two bursts of ten, as restarts and dropped connections make them, may
    meet, and other calls fail meanwhile."""
    harm: float = 0.15
    """Share of bad calls below which a target is left alone, however sure it is that it has become worse: an open
    breaker turns away the good ones as well."""
    tolerated: float = 0.2
    """The largest share of bad calls that may ever be learned as normal."""

    def __post_init__(self) -> None:
        check("false_trips", self.false_trips, 0, 100_000, above=True)
        check_count("least", self.least, 1)
        check("harm", self.harm, 0, 1)
        check("tolerated", self.tolerated, 0.001, 0.9)


@dataclass(frozen=True)
class Fixed:
    """Trip where a share of the calls of the last seconds is bad."""

    share: float = 0.5
    least: int = 20
    """Calls below which there is no telling."""
    seconds: int = 10

    def __post_init__(self) -> None:
        check("share", self.share, 0, 1, above=True)
        check_count("least", self.least, 1)
        check_count("seconds", self.seconds, 1, 3600)


@dataclass(frozen=True)
class BreakerSettings:
    """Of one breaker. Times are in seconds."""

    trips: Learned | Fixed = Learned()
    mode: Mode = Mode.ON
    """Begin with ``Mode.SHADOW`` to see first what it would do."""
    slow_after: float | None = None
    """A call that takes longer is bad, and counts before it ends. None: no call is slow."""
    open_for: float = 5.0
    """Before the first probe; twice as long each time that probes fail, half of it at random."""
    longest_open: float = 300.0
    stage: float = 30.0
    """In which each stage of a half-open breaker must be decided, by what there is if it must be."""

    def __post_init__(self) -> None:
        if self.slow_after is not None:
            check("slow_after", self.slow_after, 0, above=True)
        check("open_for", self.open_for, 0, above=True)
        check("longest_open", self.longest_open, self.open_for)
        check("stage", self.stage, 0, above=True)


@dataclass(frozen=True)
class LimitSettings:
    """Of how many calls may run at once, and how many may wait."""

    initial: int = 20
    least: int = 2
    most: int = 1000
    waiting: int = 0
    """How many calls may wait for their turn, the most valuable first. 0: a call that finds no room is turned away."""
    longest_wait: float = 1.0
    """Seconds, and never beyond the deadline of the call."""
    usual_worth: float = 1.0
    """Of a call that nothing was said of: unknown is not nothing."""

    def __post_init__(self) -> None:
        check_count("least", self.least, 1)
        check_count("most", self.most, self.least)
        check_count("initial", self.initial, self.least, self.most)
        check_count("waiting", self.waiting, 0)
        check("longest_wait", self.longest_wait, 0, above=True)


@dataclass(frozen=True)
class GuardSettings:
    """Of everything that guards one target."""

    breaker: BreakerSettings = BreakerSettings()
    limit: LimitSettings | None = None
    """None: as many calls run at once as come."""
    retries: float = 0.1
    """Share of the calls that may be retries."""

    def __post_init__(self) -> None:
        check("retries", self.retries, 0, 1)
