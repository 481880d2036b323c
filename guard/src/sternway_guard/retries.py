"""Retries: a share of the calls, so that they never multiply an overload, and not all at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from random import random

from sternway_guard import deadlines, forks
from sternway_guard.settings import check

SECONDS = 10.0
"""For which calls lend their share: who makes none for so long has no budget but the least."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
"""Seconds before a retry at most, twice as long each time. Anything between none and all of it, by chance: whoever
failed together does not come again together."""


class RetryBudget:
    """Shared by all who retry calls to one target. *share* of its calls may be retries, and *least* a second always."""

    def __init__(
        self,
        share: float = 0.1,
        least: float = 1.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random,
    ) -> None:
        check("share", share, 0, 1)
        check("least", least, 0)
        self.share = share
        """Of the calls; the control plane may change it."""
        self._least, self._clock, self._chance = least, clock, chance
        self._lock = threading.Lock()
        self._tokens, self._at = least, clock()
        self._calls = 0.0
        """A moving count of the calls of the last seconds."""
        forks.remember(self)

    def forked(self) -> None:
        """What calls have lent is the child's as well."""
        self._lock = threading.Lock()

    def called(self) -> None:
        """A first attempt is made."""
        with self._lock:
            self._pass_time()
            self._calls += 1
            self._tokens = min(self._tokens + self.share, self._most)

    def spend(self) -> bool:
        """Whether one retry may be made; it is counted then."""
        with self._lock:
            self._pass_time()
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def pause(self, made: int, most: int = 3) -> float | None:
        """Seconds to wait, after that many attempts that failed, before the next one, which is counted then.

        None: there is none: *most* attempts were made, the budget is spent, or the deadline would pass meanwhile.
        """
        if made >= most:
            return None
        seconds = self._chance() * min(FIRST_PAUSE * 2 ** min(made - 1, 32), LONGEST_PAUSE)
        left = deadlines.left()
        in_time = left is None or left > seconds
        return seconds if in_time and self.spend() else None

    @property
    def _most(self) -> float:
        return max(1.0, self._least + self.share * self._calls)

    def _pass_time(self) -> None:
        now = self._clock()
        passed, self._at = max(0.0, now - self._at), now
        self._calls *= 0.5 ** (passed / SECONDS)
        self._tokens = min(self._tokens + self._least * passed, self._most)
