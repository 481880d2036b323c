"""What the answers of the Prometheus driver's queries add up to. Pure.

The epoch names the Envoys that were summed and how often each was restarted: when one comes, goes or begins to count
anew, the sums of before and after are not comparable. An Envoy that is restarted before its second scrape is seen as
counters that went backwards instead.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.telemetry import USERS, Count


class Unusable(Exception):
    """Why there is nothing to read, as the rest of a sentence that begins with "Prometheus at …"."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of an instant vector."""

    metric: dict[str, str]
    value: tuple[float, float]

    @property
    def number(self) -> float:
        """Raises :class:`Unusable` for what is not a number."""
        if not math.isfinite(self.value[1]):
            raise Unusable(f"answered {self.value[1]} where a count was asked for: {self.metric}")
        return self.value[1]


class Reading:
    """The answers by the names of the queries. Raises :class:`Unusable` where one has nothing to say."""

    def __init__(self, answers: Mapping[str, Sequence[Sample]]) -> None:
        self._answers = answers
        self._by_arm = {query: _by_arm(samples) for query, samples in answers.items()}

    def sampled(self, service: str) -> float | None:
        return next((s.number for s in self._answers["sampled"] if s.metric.get("service") == service), None)

    def epoch(self, service: str) -> str:
        runs = sorted(
            (s.metric.get("job", ""), s.metric.get("instance", ""), s.number)
            for s in self._answers["runs"]
            if s.metric.get("service") == service
        )
        if not runs:
            raise Unusable(f"cannot tell which Envoys count {service}: the query of their runs answers nothing")
        return hashlib.sha256(repr(runs).encode()).hexdigest()[:16]

    def arms(self, service: str, slow_ms: float | None) -> dict[str, Count]:
        releases = sorted(release for of, release in self._by_arm["releases"] if of == service)
        arms = {release: self._release(service, release, slow_ms) for release in releases}
        return {**arms, USERS: self.users(service, slow_ms)}

    def users(self, service: str, slow_ms: float | None) -> Count:
        """What callers saw."""
        answered = self._one("users_answered", service)
        gone = self._one("users_gone", service)
        slow = self._slow("users_times", service, "", answered, slow_ms)
        return Count(
            requests=answered + gone,
            errors=self._one("users_errors", service),
            slow=slow + gone if slow_ms is not None else 0,
        )

    def times(self, service: str) -> dict[float, int]:
        """The cumulative histogram of those who were answered, by rising bounds; without buckets where none was."""
        if self._one("users_answered", service) == 0:
            return {}
        return self._buckets("users_times", service, "")

    def in_flight(self, service: str) -> int:
        """Requests that callers wait for."""
        return self._one("users_in_flight", service)

    def _release(self, service: str, release: str, slow_ms: float | None) -> Count:
        refused = self._one("release_refused", service, release)
        requests = max(0, self._one("release_attempts", service, release) - refused)
        errors = max(0, self._one("release_errors", service, release) - refused)
        slow = self._slow("release_times", service, release, requests, slow_ms)
        return Count(requests=requests, errors=errors, slow=slow)

    def _slow(self, query: str, service: str, release: str, requests: int, slow_ms: float | None) -> int:
        """Requests above the first bucket whose bound is not below *slow_ms*."""
        if slow_ms is None or requests == 0:
            return 0
        buckets = self._buckets(query, service, release)
        bound = min(bound for bound in buckets if bound >= slow_ms)
        return min(requests, buckets[math.inf] - buckets[bound])

    def _buckets(self, query: str, service: str, release: str) -> dict[float, int]:
        """Of an arm that has requests. The last bound is infinite."""
        buckets = {
            float(sample.metric.get("le", "nan")): int(sample.number)
            for sample in self._by_arm[query].get((service, release), ())
        }
        if math.inf not in buckets:
            raise Unusable(f"has no histogram of {service}|{release or USERS} yet, so slow requests are unknown")
        return dict(sorted(buckets.items()))

    def _one(self, query: str, service: str, release: str = "") -> int:
        if found := self._by_arm[query].get((service, release)):
            return int(found[0].number)
        raise Unusable(f"answers nothing for {service}|{release or USERS} to the query {query}")


def _by_arm(samples: Sequence[Sample]) -> dict[tuple[str, str], list[Sample]]:
    """By service and release; that of the users has none."""
    found = defaultdict[tuple[str, str], list[Sample]](list)
    for sample in samples:
        found[sample.metric.get("service", ""), sample.metric.get("release", "")].append(sample)
    return found
