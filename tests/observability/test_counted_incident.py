"""What one incident leaves in the metrics of the processes that worked on it."""

from __future__ import annotations

from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.observability.conftest import Played

pytestmark = pytest.mark.asyncio(loop_scope="session")


def summed(played: Played, name: str, *labels: str) -> Counter[tuple[str, ...]]:
    """The samples of that name by these labels, added up over all processes as Prometheus does."""
    found: Counter[tuple[str, ...]] = Counter()
    for text in played.metrics.values():
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name:
                    found[tuple(sample.labels[label] for label in labels)] += int(sample.value)
    return found


async def test_every_process_serves_its_own(played: Played) -> None:
    assert set(played.metrics) == {"gateway", "pool-1", "pool-2"}


async def test_every_change_to_production_is_counted_by_what_it_came_to(played: Played) -> None:
    assert summed(played, "sternway_actions_total", "action", "outcome") == {
        ("breaker.protect", "applied"): 1,
        ("platform.change", "applied"): 2,
        ("mesh.change", "applied"): 2,
        ("breaker.release", "restored"): 1,
    }


async def test_each_phase_is_observed_once(played: Played) -> None:
    counted = summed(played, "sternway_incident_phase_duration_seconds_count", "phase", "severity")
    phases = ("protecting", "assessing", "planning", "executing", "verifying", "lifting")
    assert counted == {(phase, "critical"): 1 for phase in phases}
    (spent,) = [
        sample.value
        for text in played.metrics.values()
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "sternway_incident_phase_duration_seconds_sum" and sample.labels["phase"] == "executing"
    ]
    assert 1 < spent < 60


async def test_no_incident_is_active_after_its_end(played: Played) -> None:
    assert summed(played, "sternway_incidents_active", "phase") == {}
