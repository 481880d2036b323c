"""What a breaker does when: closed until its judge says that calls have become worse, open for a while, half-open.

The path of a good call is no business of this: it compares one time and adds up three counts, without a lock
(:mod:`~sternway_guard.breaker`). It comes here when its second is over, when the breaker is not simply closed, and
when a call was bad.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

from sternway_guard import forks
from sternway_guard.errors import BreakerOpen
from sternway_guard.judges import judge
from sternway_guard.probes import ProbeBudget
from sternway_guard.recovery import Recovery
from sternway_guard.seconds import Second, Seconds
from sternway_guard.settings import BreakerSettings, Mode
from sternway_guard.transitions import Listener, State, Telling, Transition


@dataclass(frozen=True)
class CallCounts:
    """Calls of the last second or two, or of the probes of this stage; and all that still run of them."""

    running: int
    good: int
    bad: int


class Machine:
    """Of one breaker."""

    __slots__ = (
        "__weakref__",
        "_chance",
        "_clock",
        "_closed_at",
        "_ignored",
        "_judge",
        "_lock",
        "_longest_open",
        "_mode",
        "_probes",
        "_recovery",
        "_refuses",
        "_seconds",
        "_settings",
        "_target",
        "_telling",
        "_wait_again",
        "not_permitted",
        "second",
        "slow_after",
        "until",
    )

    def __init__(
        self,
        target: object,
        settings: BreakerSettings,
        listeners: Sequence[Listener],
        clock: Callable[[], float],
        chance: Callable[[], float],
        probes: ProbeBudget | None,
    ) -> None:
        self._target, self._settings, self._clock, self._chance = target, settings, clock, chance
        self._probes = probes
        self.not_permitted = 0
        self.slow_after = inf if settings.slow_after is None else settings.slow_after
        self._longest_open = settings.longest_open
        """Whoever would wait longer than that goes on: the clock was set back."""
        self._mode = settings.mode
        self._refuses = settings.mode is Mode.ON
        """Whether an open breaker sends calls away."""
        self._judge = judge(settings.trips)
        self._recovery: Recovery | None = None
        self._wait_again, self._closed_at = settings.open_for, -inf
        self._lock, self._telling = threading.Lock(), Telling(listeners)
        self._ignored = Second(0.0)
        self._ignored.over = True
        self._seconds = Seconds(clock())
        self.second = self._seconds.newest
        """In which calls are counted that begin before *until*."""
        self.until = self._next_turn()
        """The time from which on a call has to :meth:`turn`: by this one number a closed breaker costs little."""

        forks.remember(self)

    @property
    def state(self) -> State:
        recovery = self._recovery
        if recovery is None:
            return State.CLOSED
        return State.HALF_OPEN if recovery.probing else State.OPEN

    @property
    def counts(self) -> CallCounts:
        with self._lock:
            seconds = tuple(self._seconds) if self._recovery is None else (self._recovery.probes,)
            return CallCounts(
                running=sum(max(0, second.running) for second in seconds),
                good=sum(second.good for second in seconds),
                bad=sum(second.bad for second in seconds),
            )

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        with self._lock:
            self._mode = mode
            self._refuses = mode is Mode.ON
            self.until = self._next_turn()

    def forked(self) -> None:
        """The child goes on in the state that its parent was in, which the parent tells of."""
        now = self._clock()
        self._lock, self._telling = threading.Lock(), self._telling.anew()
        self._seconds.begin_anew(now)
        self._begin_second()
        if self._recovery is not None:
            self._recovery.begin_stage_anew(now)

    def require(self, now: float) -> None:
        """Raises :class:`BreakerOpen` where a call that begins now would surely not be made: it is open, and waits."""
        recovery = self._recovery
        if recovery is not None and self._refuses and 0 < (wait := recovery.retry_at - now) <= self._longest_open:
            self.not_permitted += 1
            raise BreakerOpen(self._target, "the breaker is open", wait)

    def turn(self, now: float) -> Second:
        """Where this call is counted. Raises :class:`BreakerOpen` where it must not be made."""
        recovery = self._recovery  # as in `require`, written out: many calls come to an open breaker
        if recovery is not None and self._refuses and 0 < (wait := recovery.retry_at - now) <= self._longest_open:
            self.not_permitted += 1
            raise BreakerOpen(self._target, "the breaker is open", wait)
        with self._lock:
            second, refusal = self._place(now)
            if refusal is not None:
                self.not_permitted += 1
                if self._mode is Mode.SHADOW:
                    refusal = None
        self._telling.tell()
        if refusal is not None:
            raise refusal
        return second

    def bad(self, second: Second) -> None:
        """A call that began in *second* has ended badly."""
        with self._lock:
            if second.over:
                return
            if second.overdue > 0:
                second.overdue -= 1  # it has counted when its time was over
                return
            second.bad += 1
            recovery, now = self._recovery, self._clock()
            if recovery is None:
                if self._judge.bad(self.second.untold(), 1):
                    self._trip(now, "its calls have become worse")
            elif second is recovery.probes:
                self._decide(recovery, now)
        self._telling.tell()

    def _place(self, now: float) -> tuple[Second, BreakerOpen | None]:
        if self._mode is Mode.OFF:
            return self._ignored, None
        if self._mode is Mode.FORCED_OPEN:
            return self._ignored, BreakerOpen(self._target, "somebody holds the breaker open")
        if self._recovery is None:
            self._tick(now)
        if self._recovery is None:
            return self.second, None
        return self._probe(self._recovery, now)

    def _tick(self, now: float) -> None:
        """A second is over: the judge hears of all good calls, and of those that run for too long."""
        good, late = self._seconds.untold(), self._seconds.overdue(now - self.slow_after - 1)
        if late and self._judge.bad(good, late):
            self._trip(now, "its calls do not end in time")
            return
        self._judge.tick(0 if late else good, max(1, int(now - self.second.began)))
        self._seconds.begin(now)
        self._begin_second()

    def _probe(self, recovery: Recovery, now: float) -> tuple[Second, BreakerOpen | None]:
        if recovery.probing:
            self._decide(recovery, now)
            if self._recovery is None:
                return self.second, None
        if not recovery.probing:
            wait = recovery.retry_at - now
            if 0 < wait <= self._longest_open:
                return self._ignored, BreakerOpen(self._target, "the breaker is open", wait)
            recovery.advance(now)
            self._note(State.OPEN, State.HALF_OPEN, "it has waited long enough", now)
        if not recovery.due(now):
            refused = f"only {recovery.share:.0%} of the calls go, as probes"
        elif not self._may_probe(recovery, now):
            refused = "as many probes of all breakers run as may"
        else:
            recovery.sent(now)
            return recovery.probes, None
        return self._ignored, BreakerOpen(self._target, refused, 1.0)

    def _may_probe(self, recovery: Recovery, now: float) -> bool:
        """In shadow nothing is held back, so nothing is taken from those that hold back."""
        if self._probes is None or recovery.last or self._mode is Mode.SHADOW:
            return True
        return self._probes.take(recovery.probes, self._settings.stage, now)

    def _decide(self, recovery: Recovery, now: float) -> None:
        well = recovery.verdict(now)
        if well is None:
            return
        if not well:
            recovery.probes.over = True
            recovery.fail(now, self._chance())
            self._note(State.HALF_OPEN, State.OPEN, "its probes failed", now)
        elif not recovery.advance(now):
            self._recovery = None
            self._wait_again, self._closed_at = recovery.wait, now
            self._seconds.begin_anew(now)
            self._begin_second()
            self._note(State.HALF_OPEN, State.CLOSED, "its probes are well", now)

    def _trip(self, now: float, because: str) -> None:
        # Well for less time than it would be left for is as if no probe had been well: it fails once called again.
        soon = now - self._closed_at < self._wait_again
        wait = self._wait_again if soon else self._settings.open_for
        self._recovery = Recovery(self._settings, self._judge.baseline, now, self._chance(), wait)
        self._judge.forget()
        self._seconds.begin_anew(now)
        self._begin_second()
        self._note(State.CLOSED, State.OPEN, because, now)

    def _begin_second(self) -> None:
        self.second = self._seconds.newest
        self.until = self._next_turn()

    def _next_turn(self) -> float:
        looks = self._mode in (Mode.ON, Mode.SHADOW) and self._recovery is None
        return self.second.began + 1 if looks else -inf

    def _note(self, before: State, after: State, because: str, at: float) -> None:
        self._telling.note(Transition(self._target, before, after, because, at))
