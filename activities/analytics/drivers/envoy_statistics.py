"""What one answer of Envoy's ``/stats`` says of services and releases; what each counter means, the driver says."""

from __future__ import annotations

from pydantic import BaseModel

from models.telemetry import Count

LISTENER = r"downstream_rq_(completed|5xx|rx_reset|time|active)"
CLUSTER = r"upstream_rq_(total|completed|5xx|retry|active_overflow|pending_overflow|time)"


class Unusable(Exception):
    """Why there is nothing to read, as the rest of a sentence that begins with "Envoy at …"."""


class _Bucket(BaseModel):
    upper_bound: float
    cumulative: int


class _Histogram(BaseModel):
    name: str
    buckets: list[_Bucket]

    def slower_than(self, milliseconds: float) -> int:
        within = next((b.cumulative for b in self.buckets if b.upper_bound >= milliseconds), None)
        return 0 if within is None else self.buckets[-1].cumulative - within


class _Entry(BaseModel):
    """A counter or gauge, or the one entry that holds all histograms."""

    name: str = ""
    value: int | str = 0
    histograms: list[_Histogram] = []


class _Answer(BaseModel):
    stats: list[_Entry]


class Statistics:
    """By name. Raises :class:`Unusable` where it has nothing to say, and on creation ``pydantic.ValidationError``."""

    def __init__(self, text: bytes) -> None:
        entries = _Answer.model_validate_json(text).stats
        self.counters = {e.name: e.value for e in entries if e.name and isinstance(e.value, int)}
        self._histograms = {h.name: h for e in entries for h in e.histograms}

    def releases(self, service: str) -> tuple[str, ...]:
        """The releases that have a cluster; ``upstream_rq_total`` is there from its first moment."""
        start, end = f"cluster.{service}|", ".upstream_rq_total"
        return tuple(
            sorted(n[len(start) : -len(end)] for n in self.counters if n.startswith(start) and n.endswith(end))
        )

    def users(self, service: str, slow_ms: float | None) -> Count:
        """What callers saw."""
        prefix = f"http.{service}.downstream_rq_"
        if prefix + "completed" not in self.counters:
            raise Unusable(f"has no listener with the stat prefix {service}")
        answered = self._count(self._sum(prefix, "completed"), self._sum(prefix, "5xx"), prefix + "time", slow_ms)
        gone = self._sum(prefix, "rx_reset")
        slow = answered.slow + gone if slow_ms is not None else 0
        return Count(requests=answered.requests + gone, errors=answered.errors, slow=slow)

    def times(self, service: str) -> tuple[tuple[float, int], ...]:
        """The cumulative histogram of those who were answered; without buckets where none was."""
        prefix = f"http.{service}.downstream_rq_"
        if self._sum(prefix, "completed") == 0:
            return ()
        return tuple((bucket.upper_bound, bucket.cumulative) for bucket in self._histogram(prefix + "time").buckets)

    def in_flight(self, service: str) -> int:
        """Requests that callers wait for."""
        gauge = f"http.{service}.downstream_rq_active"
        if gauge not in self.counters:
            raise Unusable(f"does not tell {gauge}, so what is in flight is unknown; do its stats_config leave it out?")
        return int(self.counters[gauge])

    def release(self, service: str, release: str, slow_ms: float | None) -> Count:
        prefix = f"cluster.{service}|{release}.upstream_rq_"
        refused = self._sum(prefix, "active_overflow", "pending_overflow")
        requests = max(0, self._sum(prefix, "completed", "retry") - refused)
        errors = max(0, self._sum(prefix, "5xx", "retry") - refused)
        # Where it has no host that is ready, Envoy answers by itself: that is an error, and no time of the release's.
        reached = self._sum(prefix, "total") > 0
        return self._count(requests, errors, prefix + "time", slow_ms if reached else None)

    def _sum(self, prefix: str, *names: str) -> int:
        """Counters that Envoy makes at their first event are zero before it."""
        return sum(int(self.counters.get(prefix + name, 0)) for name in names)

    def _count(self, requests: int, errors: int, histogram: str, slow_ms: float | None) -> Count:
        if slow_ms is None or requests == 0:
            return Count(requests=requests, errors=errors, slow=0)
        slow = self._histogram(histogram).slower_than(slow_ms)
        return Count(requests=requests, errors=errors, slow=min(requests, slow))

    def _histogram(self, name: str) -> _Histogram:
        """Of an arm that has requests: one that is not there yet is unknown, and no count of zero."""
        found = self._histograms.get(name)
        if found is None or not found.buckets:
            raise Unusable(f"has not merged {name} yet, so slow requests are unknown")
        return found
