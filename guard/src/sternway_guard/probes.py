"""How many probes run at once: what hangs must not hold a thread or a connection of each breaker that asks after it."""

from __future__ import annotations

import threading

from sternway_guard import forks
from sternway_guard.seconds import Second
from sternway_guard.settings import check_count


class ProbeBudget:
    """Shared by breakers that have one clock: *most* of their probes run at once.

    A probe that does not end gives its place back when its stage is over. Nothing is told when one ends: the calls of a
    stage are counted where they end anyway, and looked at here when the next probe wants to go.
    """

    __slots__ = ("__weakref__", "_lock", "_most", "_sent")

    def __init__(self, most: int) -> None:
        check_count("most", most, 1)
        self._most = most
        self.forked()
        forks.remember(self)

    def forked(self) -> None:
        """None of its probes runs."""
        self._lock = threading.Lock()
        self._sent: dict[Second, tuple[float, float]] = {}
        """The stages that have probes which run: when the last one went, and how long it may take."""

    def take(self, probes: Second, stage: float, now: float) -> bool:
        """Whether one more may begin, which is counted in *probes*; after *stage* seconds nobody waits for it."""
        with self._lock:
            self._sent = {
                sent: (at, longest)
                for sent, (at, longest) in self._sent.items()
                if sent.running > 0 and 0 <= now - at < longest
            }
            if sum(sent.running for sent in self._sent) >= self._most:
                return False
            self._sent[probes] = (now, stage)
            return True
