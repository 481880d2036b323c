"""The way from open back to closed: a wait, then probes, more of them stage by stage, each stage judged. Pure.

A stage is decided by Wald's sequential test between the baseline and a target that loses half of what was good before,
wrong one time in twenty either way. At little traffic a probe goes out each second at least, and a stage that nothing
has decided when its time is over goes by where it leans: no breaker is stuck half-open.
"""

from __future__ import annotations

from math import log

from sternway_guard.seconds import Second
from sternway_guard.settings import BreakerSettings

SHARES = (0.01, 0.05, 0.25, 1.0)
"""Of the calls, that are let through in each stage."""

LOST = 0.5
"""Share of the calls that were good before and are bad, against which a probe is judged."""

SURE = log(20)
"""Nats: a likelihood ratio that is passed by chance one time in twenty at most."""

SHORTEST = 1.0
"""Seconds of a stage: a target that fails under load must have time to show it."""

PROBE_EVERY = 1.0
"""Seconds after which the next call is a probe, whatever the share."""


class Recovery:
    """Of one trip, from its beginning until the breaker is closed again."""

    __slots__ = (
        "_admitted",
        "_began",
        "_down",
        "_last",
        "_seen",
        "_settings",
        "_stage",
        "_up",
        "probes",
        "retry_at",
        "wait",
    )

    def __init__(self, settings: BreakerSettings, baseline: float, now: float, chance: float, wait: float) -> None:
        """*chance*: uniform between 0 and 1, for the jitter. *wait*: the first one, in seconds."""
        self._settings = settings
        worse = baseline + (1 - baseline) * LOST
        self._up, self._down = log(worse / baseline), log((1 - worse) / (1 - baseline))
        self.wait = wait
        """Before the next probe, if one fails."""
        self.probes = Second(now)
        self.fail(now, chance)

    def fail(self, now: float, chance: float) -> None:
        """Wait, twice as long as before; half of it is left to *chance*, so that callers do not come together."""
        self.retry_at = now + self.wait * (0.5 + 0.5 * chance)
        self.wait = min(2 * self.wait, self._settings.longest_open)
        self._stage = -1

    @property
    def probing(self) -> bool:
        return self._stage >= 0

    @property
    def share(self) -> float:
        """Of the calls that are let through now."""
        return SHARES[self._stage] if self.probing else 0.0

    def advance(self, now: float) -> bool:
        """Begin the next stage; False after the last one: the target has recovered."""
        self._stage += 1
        self._begin_stage(now)
        return self._stage < len(SHARES)

    def begin_stage_anew(self, now: float) -> None:
        """As if no probe of it had been sent."""
        self.probes.over = True
        self._begin_stage(now)

    def _begin_stage(self, now: float) -> None:
        self._began, self._last = now, now - PROBE_EVERY
        self._seen = self._admitted = 0
        self.probes = Second(now)

    @property
    def last(self) -> bool:
        """Whether all calls are let through: what goes now is no probe beside the traffic, but the traffic."""
        return self._stage == len(SHARES) - 1

    def due(self, now: float) -> bool:
        """Whether this call, one more that was seen, may be a probe."""
        self._seen += 1
        return self._admitted < self.share * self._seen or now - self._last >= PROBE_EVERY

    def sent(self, now: float) -> None:
        """It is one."""
        self._admitted += 1
        self._last = now

    def verdict(self, now: float) -> bool | None:
        """Whether the target is well in this stage, as far as its probes tell."""
        if now < self._began:  # the clock was set back
            self._began = self._last = now
        ended = self.probes.bad * self._up + self.probes.good * self._down
        if ended >= SURE:
            return False
        # Those that have not ended may never do: the quick ones must not speak for them.
        running = max(0, self.probes.running) * self._up
        if ended + running <= -SURE and now - self._began >= SHORTEST:
            return True
        if now - self._began < self._settings.stage or ended == running == 0:
            return None
        return ended + running < 0
