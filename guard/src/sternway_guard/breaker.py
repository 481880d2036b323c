"""A circuit breaker around calls: the ways in, and how calls end.

The path of a good call is a comparison of times and three counts, without a lock. It is written out for functions and
for coroutines: what both could share would cost each call nearly half as much again. Everything else happens in
:class:`~sternway_guard.machine.Machine`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial, wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from random import random
from types import CoroutineType
from typing import Any, ParamSpec, TypeVar, cast

from sternway_guard import deadlines
from sternway_guard.errors import Rejected, TargetFailed
from sternway_guard.machine import CallCounts, Machine
from sternway_guard.probes import ProbeBudget
from sternway_guard.seconds import Second
from sternway_guard.settings import BreakerSettings, Mode
from sternway_guard.transitions import Listener, State

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger("sternway_guard")

_DEFAULT = BreakerSettings()


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

    *fails* says which errors count as failures of the target. *probes* bounds those of all breakers that share it.
    *clock* is monotonic, in seconds.
    """

    __slots__ = ("_clock", "_fails", "_machine", "target")

    def __init__(
        self,
        target: object,
        settings: BreakerSettings = _DEFAULT,
        *,
        fails: Callable[[BaseException], bool] = is_failure,
        listeners: Sequence[Listener] = (),
        probes: ProbeBudget | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random,
    ) -> None:
        self.target = target
        self._fails, self._clock = fails, clock
        self._machine = Machine(target, settings, listeners, clock, chance, probes)

    def __repr__(self) -> str:
        return f"Breaker({self.target!r}, {self.state.value})"

    @property
    def state(self) -> State:
        """As of the last call: an open breaker begins to probe when a call comes."""
        return self._machine.state

    @property
    def counts(self) -> CallCounts:
        """Of the calls that the breaker still looks at."""
        return self._machine.counts

    @property
    def not_permitted(self) -> int:
        """Calls that were not made; in shadow, those that would not have been."""
        return self._machine.not_permitted

    @property
    def mode(self) -> Mode:
        return self._machine.mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._machine.mode = mode

    # Ways in

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Guard a function or a coroutine function; it raises :class:`~sternway_guard.errors.Rejected` instead.

        A function that turns out to return a coroutine raises ``TypeError``: its call ends before it has begun.
        """
        refuse_generators(function)
        if is_coroutine_function(function):
            return cast("Callable[P, R]", self._guard_coroutine(cast("Callable[P, Awaitable[Any]]", function)))
        return self._guard_function(function)

    def require(self) -> None:
        """Raises :class:`~sternway_guard.errors.Rejected` where a call that begins now would surely not be made."""
        deadlines.require(self.target)
        self._machine.require(self._clock())

    def begin(self) -> Attempt:
        """One call that is made otherwise; say how it ended. Raises :class:`~sternway_guard.errors.Rejected`."""
        deadlines.require(self.target)
        began = self._clock()
        second = self._machine.second
        if began >= self._machine.until:
            second = self._machine.turn(began)
        second.running += 1
        return Attempt(partial(self._end, second, began))

    def _guard_function(self, function: Callable[P, R]) -> Callable[P, R]:
        clock, machine, deadline = self._clock, self._machine, deadlines.ends

        @wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            if deadline() is not None:
                deadlines.require(self.target)
            began = clock()
            second = machine.second
            if began >= machine.until:
                second = machine.turn(began)
            second.running += 1
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                self._raised(second, clock() - began, error)
                raise
            second.running -= 1
            if type(result) is CoroutineType:
                raise _not_begun(function, cast("CoroutineType[Any, Any, Any]", result))
            if clock() - began > machine.slow_after:
                machine.bad(second)
            else:
                second.good += 1
            return result

        return guarded

    def _guard_coroutine(self, function: Callable[P, Awaitable[Any]]) -> Callable[P, Awaitable[Any]]:
        clock, machine, deadline = self._clock, self._machine, deadlines.ends

        @wraps(function)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
            if deadline() is not None:
                deadlines.require(self.target)
            began = clock()
            second = machine.second
            if began >= machine.until:
                second = machine.turn(began)
            second.running += 1
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                self._raised(second, clock() - began, error)
                raise
            second.running -= 1
            if clock() - began > machine.slow_after:
                machine.bad(second)
            else:
                second.good += 1
            return result

        return guarded

    # How calls end

    def _end(self, second: Second, began: float, error: BaseException | None) -> None:
        elapsed = self._clock() - began
        if error is not None:
            self._raised(second, elapsed, error)
            return
        second.running -= 1
        if elapsed > self._machine.slow_after:
            self._machine.bad(second)
        else:
            second.good += 1

    def _raised(self, second: Second, elapsed: float, error: BaseException) -> None:
        second.running -= 1
        slow = elapsed > self._machine.slow_after
        if isinstance(error, Rejected) or (not isinstance(error, Exception) and not slow):
            return  # it was not made, or it was cut off before anybody could tell
        if slow or self._counts(error):
            self._machine.bad(second)
        else:
            second.good += 1

    def _counts(self, error: BaseException) -> bool:
        if isinstance(error, TargetFailed):
            return True
        try:
            return bool(self._fails(error))
        except Exception:  # noqa: BLE001 -- whatever it is, the call has its own outcome
            _log.exception("%s: what counts as a failure could not be said of %r; by default it is", self.target, error)
            return is_failure(error)


def _not_begun(function: Callable[..., object], coroutine: CoroutineType[Any, Any, Any]) -> TypeError:
    """It would count as good before it has done anything."""
    coroutine.close()
    return TypeError(
        f"{function} returns a coroutine and is none that a guard can see: guard the coroutine function itself, under "
        "what makes a plain function of it, or call it within an `async def` of its own"
    )


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
