"""A budget of retries: a share of the calls, so that retries never multiply an overload."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sternway_guard import forks
from sternway_guard.settings import check

SECONDS = 10.0
"""For which calls lend their share: who makes none for so long has no budget but the least."""


class RetryBudget:
    """Shared by all who retry calls to one target. *share* of its calls may be retries, and *least* a second always."""

    def __init__(self, share: float = 0.1, least: float = 1.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        check("share", share, 0, 1)
        check("least", least, 0)
        self.share = share
        """Of the calls; the control plane may change it."""
        self._least, self._clock = least, clock
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

    @property
    def _most(self) -> float:
        return max(1.0, self._least + self.share * self._calls)

    def _pass_time(self) -> None:
        now = self._clock()
        passed, self._at = max(0.0, now - self._at), now
        self._calls *= 0.5 ** (passed / SECONDS)
        self._tokens = min(self._tokens + self._least * passed, self._most)
