"""Telling from readings that a release has had all the traffic, and was healthy, for its whole soak. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from activities.analytics.verdict import judge_absolute
from models.catalog import RollbackPolicy, Slos
from models.telemetry import USERS, NoData, Totals, Window, between
from models.verdict import Finding, Verdict


@dataclass(frozen=True)
class Soaked:
    """A release that has passed, by itself."""

    release: str
    verdict: Verdict


class Soaking:
    """The soak of whatever serves one service in one region; it begins anew when it has passed, or cannot pass."""

    def __init__(self, slos: Slos, policy: RollbackPolicy) -> None:
        self._slos = slos
        self._policy = policy
        self._from: Totals | None = None

    def add(self, reading: Totals | NoData) -> Soaked | None:
        """Take in a reading; what has passed with it."""
        if isinstance(reading, NoData):
            return None
        window = between(self._from, reading) if self._from else None
        if not isinstance(window, Window):
            self._from = reading
            return None
        verdict, release = self._judge(window)
        if verdict.passed and release and window.seconds >= self._policy.soak:
            self._from = reading
            return Soaked(release, verdict)
        if verdict.finding is Finding.FAIL or window.seconds >= self._policy.longest_soak.total_seconds():
            self._from = reading
        return None

    def _judge(self, window: Window) -> tuple[Verdict, str | None]:
        serving = [arm for arm, count in window.arms.items() if arm != USERS and count.requests]
        if len(serving) != 1:
            shared = " and ".join(serving) or "nobody"
            return Verdict(finding=Finding.INCONCLUSIVE, sentence=f"{shared} served in the window"), None
        return judge_absolute(window, serving[0], self._slos, self._policy.min_requests), serving[0]
