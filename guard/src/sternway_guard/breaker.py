"""A circuit breaker: counts calls, trips when they have become worse, and finds its way back by probes.

The path of a good call is a comparison of times and three counts, without a lock. Everything else happens in
:meth:`Breaker._turn`, which a call runs into when its second is over or the breaker is not simply closed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial, wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from math import inf
from random import random
from typing import Any, ParamSpec, TypeVar, cast

from sternway_guard import deadlines
from sternway_guard.errors import BreakerOpen, Rejected
from sternway_guard.judges import judge
from sternway_guard.recovery import Recovery
from sternway_guard.seconds import Second
from sternway_guard.settings import BreakerSettings, Mode

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger("sternway_guard")

_DEFAULT = BreakerSettings()

MOST_SECONDS = 32
"""Seconds whose calls are waited for; of more that have calls which still run, the oldest are forgotten."""


RELAPSE = 10.0
"""A trip within so many waits of the last recovery is one of the same trouble."""


class State(Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True)
class Counts:
    """Calls of the last second or two, or of the probes of this stage; and all that still run of them."""

    running: int
    good: int
    bad: int


@dataclass(frozen=True)
class Transition:
    """One change of state, told to whoever listens."""

    target: object
    before: State
    after: State
    because: str
    at: float
    """By the breaker's clock."""


Listener = Callable[[Transition], None]


def is_failure(error: BaseException) -> bool:
    """The default: every ``Exception``. What ends a program or cancels a task says nothing about the target."""
    return isinstance(error, Exception)


def is_coroutine_function(function: Callable[..., object]) -> bool:
    """Also an object whose ``__call__`` is one."""
    return iscoroutinefunction(function) or iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004 -- which of both


def refuse_generators(function: Callable[..., object]) -> None:
    """Raises ``TypeError``: calling a generator does nothing yet, so there would be nothing to guard."""
    if not callable(function):
        raise TypeError(f"{function!r} cannot be called; a guard goes under @classmethod, @staticmethod and @property")
    if isgeneratorfunction(function) or isasyncgenfunction(function):
        raise TypeError(f"{function} is a generator, which ends when its reader does: guard what it does inside")


class Breaker:
    """Of one *target*. Threads and tasks may share it.

    *fails* says which errors count as failures of the target. *clock* is monotonic, in seconds.
    """

    __slots__ = (
        "_chance",
        "_clock",
        "_closed_at",
        "_fails",
        "_ignored",
        "_judge",
        "_listeners",
        "_lock",
        "_longest_wait",
        "_mode",
        "_older",
        "_recovery",
        "_refuses",
        "_second",
        "_settings",
        "_slow_after",
        "_telling",
        "_told",
        "_until",
        "_wait_again",
        "rejected",
        "target",
    )

    def __init__(
        self,
        target: object,
        settings: BreakerSettings = _DEFAULT,
        *,
        fails: Callable[[BaseException], bool] = is_failure,
        listeners: Sequence[Listener] = (),
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random,
    ) -> None:
        self.target = target
        self.rejected = 0
        """Calls that were not made, or in shadow would not have been."""
        self._settings = settings
        self._fails = fails
        self._listeners = listeners
        self._clock = clock
        self._chance = chance
        self._lock = threading.Lock()
        self._mode = settings.mode
        self._judge = judge(settings.trips)
        self._longest_wait = settings.longest_wait
        """Whoever would wait longer than that goes on: the clock was set back."""
        self._refuses = settings.mode is Mode.ON
        """Whether an open breaker sends calls away."""
        self._slow_after = inf if settings.slow_after is None else settings.slow_after
        self._recovery: Recovery | None = None
        self._wait_again, self._closed_at = settings.wait, -inf
        self._older: list[Second] = []
        self._told: list[Transition] = []
        self._telling = threading.Lock()
        self._ignored = Second(0.0)
        self._ignored.over = True
        self._begin_second(clock())

    def __repr__(self) -> str:
        return f"Breaker({self.target!r}, {self.state.value})"

    @property
    def state(self) -> State:
        """As of the last call: an open breaker begins to probe when a call comes."""
        recovery = self._recovery
        if recovery is None:
            return State.CLOSED
        return State.HALF_OPEN if recovery.probing else State.OPEN

    @property
    def counts(self) -> Counts:
        """Of the calls that the breaker still looks at."""
        with self._lock:
            recovery = self._recovery
            seconds = (recovery.probes,) if recovery else (*self._older, self._second)
            return Counts(
                running=sum(max(0, second.running) for second in seconds),
                good=sum(second.ok for second in seconds),
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
            self._until = self._next_turn()

    # Ways in

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Guard a function or a coroutine function; it raises :class:`~sternway_guard.errors.Rejected` instead."""
        refuse_generators(function)
        if is_coroutine_function(function):
            return cast("Callable[P, R]", self._guard_coroutine(cast("Callable[P, Awaitable[Any]]", function)))
        return self._guard_function(function)

    def require(self) -> None:
        """Raises :class:`~sternway_guard.errors.Rejected` where a call that begins now would surely not be made."""
        deadlines.require(self.target)
        recovery = self._recovery
        if (
            recovery is not None
            and self._refuses
            and 0 < (wait := recovery.retry_at - self._clock()) <= self._longest_wait
        ):
            self.rejected += 1
            raise BreakerOpen(self.target, "the breaker is open", wait)

    def begin(self) -> Attempt:
        """One call that is made otherwise; say how it ended. Raises :class:`~sternway_guard.errors.Rejected`."""
        deadlines.require(self.target)
        began = self._clock()
        second = self._second
        if began >= self._until:
            second = self._turn(began)
        second.running += 1
        return Attempt(partial(self._end, second, began))

    def _guard_function(self, function: Callable[P, R]) -> Callable[P, R]:
        clock, deadline = self._clock, deadlines.ends

        @wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            if deadline() is not None:
                deadlines.require(self.target)
            began = clock()
            second = self._second
            if began >= self._until:
                second = self._turn(began)
            second.running += 1
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                self._raised(second, clock() - began, error)
                raise
            second.running -= 1
            if clock() - began > self._slow_after:
                self._bad(second)
            else:
                second.ok += 1
            return result

        return guarded

    def _guard_coroutine(self, function: Callable[P, Awaitable[Any]]) -> Callable[P, Awaitable[Any]]:
        clock, deadline = self._clock, deadlines.ends

        @wraps(function)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
            if deadline() is not None:
                deadlines.require(self.target)
            began = clock()
            second = self._second
            if began >= self._until:
                second = self._turn(began)
            second.running += 1
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                self._raised(second, clock() - began, error)
                raise
            second.running -= 1
            if clock() - began > self._slow_after:
                self._bad(second)
            else:
                second.ok += 1
            return result

        return guarded

    # How calls end

    def _end(self, second: Second, began: float, error: BaseException | None) -> None:
        elapsed = self._clock() - began
        if error is not None:
            self._raised(second, elapsed, error)
            return
        second.running -= 1
        if elapsed > self._slow_after:
            self._bad(second)
        else:
            second.ok += 1

    def _raised(self, second: Second, elapsed: float, error: BaseException) -> None:
        second.running -= 1
        if isinstance(error, Rejected) or (not isinstance(error, Exception) and elapsed <= self._slow_after):
            return  # it was not made, or it was cut off before anybody could tell
        if elapsed > self._slow_after or self._counts(error):
            self._bad(second)
        else:
            second.ok += 1

    def _counts(self, error: BaseException) -> bool:
        try:
            return bool(self._fails(error))
        except Exception:  # noqa: BLE001 -- whatever it is, the call has its own outcome
            _log.exception("%s: what counts as a failure could not be said of %r; by default it is", self.target, error)
            return is_failure(error)

    def _bad(self, second: Second) -> None:
        with self._lock:
            if second.over:
                return
            if second.overdue > 0:
                second.overdue -= 1  # it has counted when its time was over
                return
            second.bad += 1
            recovery, now = self._recovery, self._clock()
            if recovery is None:
                if self._judge.bad(self._second.untold(), 1):
                    self._trip(now, "its calls have become worse")
            elif second is recovery.probes:
                self._decide(recovery, now)
        self._tell()

    # Turns

    def _turn(self, now: float) -> Second:
        """Where this call is counted. Raises :class:`BreakerOpen` where it must not be made."""
        recovery = self._recovery
        if recovery is not None and self._refuses and 0 < (wait := recovery.retry_at - now) <= self._longest_wait:
            self.rejected += 1
            raise BreakerOpen(self.target, "the breaker is open", wait)
        with self._lock:
            second, refusal = self._place(now)
            if refusal is not None:
                self.rejected += 1
                if self._mode is Mode.SHADOW:
                    refusal = None
        self._tell()
        if refusal is not None:
            raise refusal
        return second

    def _place(self, now: float) -> tuple[Second, BreakerOpen | None]:
        if self._mode is Mode.OFF:
            return self._ignored, None
        if self._mode is Mode.FORCED_OPEN:
            return self._ignored, BreakerOpen(self.target, "somebody holds the breaker open")
        if self._recovery is None:
            self._tick(now)
        if self._recovery is None:
            return self._second, None
        return self._probe(self._recovery, now)

    def _tick(self, now: float) -> None:
        """A second is over: the judge hears of all good calls, and of those that run for too long."""
        seconds = (*self._older, self._second)
        good = sum(second.untold() for second in seconds)
        late = 0
        for second in seconds:
            if now - second.began >= self._slow_after + 1 and second.running > second.overdue:
                late += second.running - second.overdue
                second.overdue = second.running
        if late and self._judge.bad(good, late):
            self._trip(now, "its calls do not end in time")
            return
        self._judge.tick(0 if late else good, max(1, int(now - self._second.began)))
        # The newest stays: a call may just be beginning in it.
        self._older = [*(second for second in self._older if second.running > 0), self._second]
        for forgotten in self._older[:-MOST_SECONDS]:
            forgotten.over = True
        self._older = self._older[-MOST_SECONDS:]
        self._begin_second(now)

    def _probe(self, recovery: Recovery, now: float) -> tuple[Second, BreakerOpen | None]:
        if recovery.probing:
            self._decide(recovery, now)
            if self._recovery is None:
                return self._second, None
        if not recovery.probing:
            wait = recovery.retry_at - now
            if 0 < wait <= self._longest_wait:
                return self._ignored, BreakerOpen(self.target, "the breaker is open", wait)
            recovery.advance(now)
            self._note(State.OPEN, State.HALF_OPEN, "it has waited long enough", now)
        if recovery.admits(now):
            return recovery.probes, None
        return self._ignored, BreakerOpen(self.target, f"only {recovery.share:.0%} of the calls go, as probes", 1.0)

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
            self._begin_second(now)
            self._note(State.HALF_OPEN, State.CLOSED, "its probes are well", now)

    def _trip(self, now: float, because: str) -> None:
        for second in (*self._older, self._second):
            second.over = True
        self._older.clear()
        # A target that fails as soon as it is called again is left for longer, as if no probe had been well.
        soon = now - self._closed_at < RELAPSE * self._wait_again
        wait = self._wait_again if soon else self._settings.wait
        self._recovery = Recovery(self._settings, self._judge.baseline, now, self._chance(), wait)
        self._judge.forget()
        self._until = self._next_turn()
        self._note(State.CLOSED, State.OPEN, because, now)

    def _begin_second(self, now: float) -> None:
        self._second = Second(now)
        self._until = self._next_turn()

    def _next_turn(self) -> float:
        """The time from which on a call has to look up. By this one number a closed breaker costs next to nothing."""
        looks = self._mode in (Mode.ON, Mode.SHADOW) and self._recovery is None
        return self._second.began + 1 if looks else -inf

    # Telling

    def _note(self, before: State, after: State, because: str, at: float) -> None:
        self._told.append(Transition(self.target, before, after, because, at))

    def _tell(self) -> None:
        """In their order, by one thread at a time, and outside of the lock: who listens may ask the breaker."""
        while self._told and self._telling.acquire(blocking=False):
            try:
                while self._told:
                    self._tell_of(self._told.pop(0))
            finally:
                self._telling.release()

    def _tell_of(self, transition: Transition) -> None:
        for listener in self._listeners:
            try:
                listener(transition)
            except Exception:  # noqa: BLE001 -- nobody who only listens may change the outcome of a call
                _log.exception("%s: a listener failed at %s", self.target, transition)


class Attempt:
    """One call under a breaker, from its beginning to whatever is said of it first."""

    __slots__ = ("_tell",)

    def __init__(self, tell: Callable[[BaseException | None], None]) -> None:
        self._tell: Callable[[BaseException | None], None] | None = tell

    def end(self, error: BaseException | None = None) -> None:
        """It has ended, with *error* if one was raised."""
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(error)
