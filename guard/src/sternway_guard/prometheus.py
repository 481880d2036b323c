"""Guards for Prometheus: read when it scrapes, so that calls pay nothing for it. Needs ``prometheus-client``."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from sternway_guard.registry import Registry
from sternway_guard.transitions import State

STATES = {State.CLOSED: 0.0, State.HALF_OPEN: 0.5, State.OPEN: 1.0}


class GuardCollector(Collector):
    """Give it to ``prometheus_client.REGISTRY.register``."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        labels = ["target"]
        state = GaugeMetricFamily("guard_breaker_open", "1 open, 0.5 half-open, 0 closed.", labels=labels)
        not_permitted = CounterMetricFamily(
            "guard_breaker_not_permitted", "Calls that a breaker did not make.", labels=labels
        )
        shed = CounterMetricFamily("guard_limiter_shed", "Calls that found no room.", labels=labels)
        limit = GaugeMetricFamily("guard_limiter_limit", "Calls that may run at once.", labels=labels)
        running = GaugeMetricFamily("guard_limiter_running", "Calls that run.", labels=labels)
        waiting = GaugeMetricFamily("guard_limiter_waiting", "Calls that wait for their turn.", labels=labels)
        for guard in self._registry:
            target = [str(guard.target)]
            state.add_metric(target, STATES[guard.breaker.state])
            not_permitted.add_metric(target, guard.breaker.not_permitted)
            if guard.limiter:
                shed.add_metric(target, guard.limiter.shed)
                limit.add_metric(target, guard.limiter.limit)
                running.add_metric(target, guard.limiter.running)
                waiting.add_metric(target, guard.limiter.waiting)
        standing = self._registry.standing
        alone = GaugeMetricFamily("guard_alone", "Whether no control plane is heard.", value=float(standing.alone))
        epoch = GaugeMetricFamily("guard_epoch", "Of the control plane's last word.", value=standing.epoch)
        yield from (state, not_permitted, shed, limit, running, waiting, alone, epoch)
