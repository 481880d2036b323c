"""One incident, from webhook to recovery through three processes, is one tree of spans at a real OTLP receiver."""

from __future__ import annotations

import pytest

from tests.observability.collector import Span
from tests.observability.conftest import Played

pytestmark = pytest.mark.asyncio(loop_scope="session")


def tree(played: Played) -> dict[str, Span]:
    """The spans of the webhook's trace, by id."""
    (webhook,) = played.collector.named("alert received")
    return {span.id: span for span in played.collector.spans if span.trace == webhook.trace}


async def test_every_span_hangs_on_the_webhooks(played: Played) -> None:
    spans = tree(played)
    (root,) = [span for span in spans.values() if not span.parent]
    assert "alert" in root.name
    orphans = [span for span in spans.values() if span.parent and span.parent not in spans]
    assert orphans == []


async def test_the_incident_and_all_that_it_does_are_in_that_tree(played: Played) -> None:
    names = {span.name for span in tree(played).values()}
    assert {"StartWorkflow:Incident", "RunWorkflow:Incident", "RunWorkflow:Rollback"} <= names
    activities = {
        "breaker.protect.v1",
        "analytics.observe.v1",
        "rollback.plan.v1",
        "platform.change.v1",
        "mesh.change.v1",
        "analytics.soak.v1",
        "rollback.readback.v1",
        "breaker.release.v1",
        "analytics.record.v1",
    }
    assert {f"RunActivity:{name}" for name in activities} <= names


async def test_no_activity_of_the_incident_is_in_another_tree(played: Played) -> None:
    ids = tree(played).keys()
    stray = [s.name for s in played.collector.spans if s.name.startswith("RunActivity:") and s.id not in ids]
    assert stray == []


async def test_the_tree_spans_gateway_and_pool(played: Played) -> None:
    spans = tree(played).values()
    assert {"sternway-gateway", "sternway-pool-eu"} == {span.process for span in spans}
    (protected,) = [span for span in spans if span.name == "RunActivity:breaker.protect.v1"]
    assert protected.process == "sternway-gateway"
