"""An answer for when there is none, which says what it is: kept from before, too old, or a default."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from functools import wraps
from inspect import isawaitable, iscoroutinefunction
from typing import Any, Generic, Literal, ParamSpec, TypeVar

from sternway_guard import forks
from sternway_guard.errors import Rejected
from sternway_guard.settings import check, check_count

P = ParamSpec("P")
T = TypeVar("T")

Source = Literal["live", "cached", "stale", "default"]

_log = logging.getLogger("sternway_guard")
_MISSING: Any = object()


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What was answered, and what that is worth."""

    value: T
    source: Source
    age: float = 0.0
    """Seconds since it was live; 0 for a default."""
    because: BaseException | None = None
    """Why it is not live."""


class _Answers:
    """Of one function; the newest is the last."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.by_key: OrderedDict[Hashable, tuple[Any, float]] = OrderedDict()
        forks.remember(self)

    def forked(self) -> None:
        """The same answers."""
        self.lock = threading.Lock()


class Fallback:
    """Answers of before, and a default, for a function that is guarded inside.

    *fresh* and *stale* in seconds: an answer no older than *fresh* is called cached, one no older than *stale* is
    called stale, and an older one is not used. *default* is called with what the function was called with. *on* says
    which errors are answered; others are raised, and so is the first error where there is no answer or *default* fails.
    *key* makes of the arguments what answers are kept under, and *kept* is how many are.
    """

    def __init__(
        self,
        *,
        fresh: float = 0.0,
        stale: float = 0.0,
        default: Callable[..., Any] | None = None,
        on: type[BaseException] | tuple[type[BaseException], ...] = Rejected,
        key: Callable[..., Hashable] | None = None,
        kept: int = 1000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check("fresh", fresh, 0)
        check("stale", stale, 0)
        check_count("kept", kept, 1)
        if default is None and not max(fresh, stale):
            raise ValueError("a fallback needs a default, or answers to keep: set default, fresh or stale")
        self._fresh, self._longest = fresh, max(fresh, stale)
        self._default, self._on, self._key, self._kept, self._clock = default, on, key or _arguments, kept, clock

    def __call__(self, function: Callable[P, Any]) -> Callable[P, Any]:
        """The function that answers an :class:`Answer`; of a coroutine function, one that awaits it."""
        if iscoroutinefunction(function):
            return self._around_coroutine(function)
        answers = _Answers()

        @wraps(function)
        def answered(*args: P.args, **kwargs: P.kwargs) -> Answer[Any]:
            try:
                return self._live(answers, function(*args, **kwargs), args, kwargs)
            except self._on as error:
                found = self._kept_answer(answers, error, args, kwargs)
                return found or self._made(error, lambda: self._call_default(args, kwargs))

        return answered

    def _around_coroutine(self, function: Callable[P, Awaitable[Any]]) -> Callable[P, Awaitable[Answer[Any]]]:
        answers = _Answers()

        @wraps(function)
        async def answered(*args: P.args, **kwargs: P.kwargs) -> Answer[Any]:
            try:
                return self._live(answers, await function(*args, **kwargs), args, kwargs)
            except self._on as error:
                if found := self._kept_answer(answers, error, args, kwargs):
                    return found
                made = self._made(error, lambda: self._call_default(args, kwargs))
                if not isawaitable(made.value):
                    return made
                try:
                    return Answer(await made.value, "default", 0.0, error)
                except Exception:  # noqa: BLE001 -- the caller gets the first error, which it may know
                    _log.exception("a fallback failed; the error that it was for is raised instead")
                    raise error from None

        return answered

    def _live(self, answers: _Answers, value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Answer[Any]:
        key = self._key_of(args, kwargs) if self._longest else _MISSING
        if key is not _MISSING:
            with answers.lock:
                answers.by_key.pop(key, None)
                answers.by_key[key] = (value, self._clock())
                if len(answers.by_key) > self._kept:
                    answers.by_key.popitem(last=False)
        return Answer(value, "live")

    def _kept_answer(
        self, answers: _Answers, error: BaseException, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Answer[Any] | None:
        key = self._key_of(args, kwargs) if self._longest else _MISSING
        if key is _MISSING or (found := answers.by_key.get(key)) is None:
            return None
        value, at = found
        age = max(0.0, self._clock() - at)
        if age > self._longest:
            return None
        return Answer(value, "cached" if age <= self._fresh else "stale", age, error)

    def _key_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
        """What the call is kept under; missing where it cannot be kept."""
        try:
            key = self._key(*args, **kwargs)
            hash(key)
            return key
        except Exception:  # noqa: BLE001 -- of the user's key
            _log.exception("no answer is kept of a call whose arguments are no key; give Fallback a key")
            return _MISSING

    def _call_default(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self._default(*args, **kwargs) if self._default else _MISSING

    def _made(self, error: BaseException, make: Callable[[], Any]) -> Answer[Any]:
        try:
            value = make()
        except Exception:  # noqa: BLE001 -- the caller gets the first error, which it may know
            _log.exception("a fallback failed; the error that it was for is raised instead")
            raise error from None
        if value is _MISSING:
            raise error
        return Answer(value, "default", 0.0, error)


def _arguments(*args: Hashable, **kwargs: Hashable) -> Hashable:
    return args, tuple(sorted(kwargs.items()))
