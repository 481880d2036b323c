"""All that protects the calls to one target, in one object: a breaker, a bound on what runs at once, a retry budget."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from functools import wraps
from math import inf
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from sternway_guard.breaker import Attempt, Breaker, is_coroutine_function, is_failure, refuse_generators
from sternway_guard.limiter import Limiter
from sternway_guard.probes import ProbeBudget
from sternway_guard.protocol import Intent
from sternway_guard.retries import RetryBudget
from sternway_guard.settings import GuardSettings, Mode
from sternway_guard.transitions import Listener

P = ParamSpec("P")
R = TypeVar("R")


_DEFAULT = GuardSettings()


class Guard:
    """Of one *target*. Threads and tasks may share it.

    *fails* says which errors count as failures of the target; by default every ``Exception`` does. *probes* bounds
    those of all guards that share it.
    """

    def __init__(
        self,
        target: object,
        settings: GuardSettings = _DEFAULT,
        *,
        fails: Callable[[BaseException], bool] = is_failure,
        listeners: Sequence[Listener] = (),
        probes: ProbeBudget | None = None,
    ) -> None:
        self.target = target
        self._settings = settings
        self.breaker = Breaker(target, settings.breaker, fails=fails, listeners=listeners, probes=probes)
        self.limiter = None if settings.limit is None else Limiter(target, settings.limit)
        self.retries = RetryBudget(settings.retries)

    def __repr__(self) -> str:
        return f"Guard({self.target!r}, {self.breaker.state.value})"

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Guard a function or a coroutine function; it raises :class:`~sternway_guard.errors.Rejected` instead."""
        refuse_generators(function)
        if self.limiter is None:
            return self.breaker(function)
        if is_coroutine_function(function):
            tried = cast("Callable[P, Awaitable[Any]]", self.breaker(function))

            @wraps(function)
            async def placed_task(*args: P.args, **kwargs: P.kwargs) -> Any:
                self.require()
                async with cast("Limiter", self.limiter).place_async():
                    return await tried(*args, **kwargs)

            return cast("Callable[P, R]", placed_task)

        called = self.breaker(function)

        @wraps(function)
        def placed(*args: P.args, **kwargs: P.kwargs) -> R:
            self.require()
            with cast("Limiter", self.limiter).place():
                return called(*args, **kwargs)

        return placed

    def require(self) -> None:
        """Raise what there is to be raised before anybody waits for a place.

        The breaker judges the call itself and not that wait, or a burst at a full queue would open it.
        """
        self.breaker.require()

    def intend(self, intent: Intent) -> None:
        """What a control plane wants beyond the settings; what it does not say is as they have it."""
        mode, retries = self._settings.breaker.mode, self._settings.retries
        if intent.mode and (intent.override or _stricter(intent.mode, mode)):
            mode = intent.mode
        if intent.retries is not None:
            retries = intent.retries if intent.override else min(intent.retries, retries)
        self.breaker.mode, self.retries.share = mode, retries
        if self.limiter:
            self.limiter.least_value = -inf if intent.least_value is None else intent.least_value

    def call(self, value: float | None = None) -> Call:
        """One call as a context, ``with`` or ``async with``. *value* is what it earns."""
        return Call(self, value)


class Call:
    """Made by :meth:`Guard.call`; entered once. ``RuntimeError`` where it is entered again."""

    __slots__ = ("_begun", "_entered", "_guard", "_value")

    def __init__(self, guard: Guard, value: float | None) -> None:
        self._guard, self._value, self._begun = guard, value, False

    def __enter__(self) -> None:
        guard = self._begin()
        with ExitStack() as entered:
            if guard.limiter:
                entered.enter_context(guard.limiter.place(self._value))
            entered.push(_ending(guard.breaker.begin()))
            self._entered: ExitStack | AsyncExitStack = entered.pop_all()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cast("ExitStack", self._entered).__exit__(kind, error, trace)

    async def __aenter__(self) -> None:
        guard = self._begin()
        async with AsyncExitStack() as entered:
            if guard.limiter:
                await entered.enter_async_context(guard.limiter.place_async(self._value))
            entered.push(_ending(guard.breaker.begin()))
            self._entered = entered.pop_all()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await cast("AsyncExitStack", self._entered).__aexit__(kind, error, trace)

    def _begin(self) -> Guard:
        if self._begun:
            raise RuntimeError(f"{self._guard.target}: a call begins once; ask guard.call() for each")
        self._begun = True
        self._guard.require()
        return self._guard


def _stricter(wanted: Mode, configured: Mode) -> bool:
    """What is switched off was switched off by somebody who knows why."""
    strictness = (Mode.SHADOW, Mode.ON, Mode.FORCED_OPEN)
    return configured in strictness and wanted in strictness[strictness.index(configured) + 1 :]


def _ending(attempt: Attempt) -> Callable[[Any, BaseException | None, Any], None]:
    return lambda _kind, error, _trace: attempt.end(error)
