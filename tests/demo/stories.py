"""Runs of the demo made of the very values that the load generator and the gateway would have told."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from activities.analytics.store.incidents import StoredIncident, StoredStep
from activities.rollback.plan import make_plan
from activities.rollback.situation import situation
from deploy.demo.load import Second, Totals
from models.alert import Severity
from models.assessment import Assessment
from models.catalog import Availability, Catalog, Level, Policy, Region, Service, Slos
from models.deployment import Deployment
from models.incident import Phase, StepRecord
from models.observation import Observation
from models.said import Said
from models.service_state import ServiceState
from models.telemetry import Window
from models.verdict import Finding, Verdict
from workers.local.demo.story import Story

START = 1_790_000_000.0
"""Unix time at which every run starts."""

REGIONS = ("eu", "us")

STEPS = {
    "protect": ("protect the callers of payments", "breaker"),
    "scale-target": ("scale v1 from 0 to 2", "platform"),
    "switch": ("route 100% to v1", "mesh"),
    "drain": ("drain v2", "mesh"),
    "retire": ("scale v2 from 2 to 0", "platform"),
}


def second(
    region: str, end: float, *, sent: int = 20, failed: int = 0, last_failure: float | None = None, **others: Any
) -> str:
    """A line of the load file for the second that ends *end* seconds after the start."""
    told: dict[str, Any] = {"p50_ms": 8.5, "p99_ms": 41.0, "in_flight": 1, **others}
    return json.dumps(
        asdict(
            Second(
                at=START + end,
                region=region,
                sent=sent,
                ok=sent - failed,
                failed=failed,
                failures_by_status={"503": failed} if failed else {},
                last_failure_sent_at=None if last_failure is None else START + last_failure,
                **told,
            )
        )
    )


def totals(**by_region: tuple[int, int]) -> str:
    """The last line of the load file: sent and failed, by region."""
    told = {region: Totals(sent=sent, ok=sent - failed, failed=failed) for region, (sent, failed) in by_region.items()}
    return json.dumps({"totals": {region: asdict(total) for region, total in told.items()}})


def time_of(seconds: float) -> datetime:
    return datetime.fromtimestamp(START + seconds, UTC)


def step(name: str, status: str, at: float, detail: str = "") -> dict[str, Any]:
    title, module = STEPS[name]
    record = {"step": name, "title": title, "module": module, "status": status, "at": time_of(at), "detail": detail}
    return StoredStep(source="run", record=StepRecord.model_validate(record), receipts=()).model_dump(mode="json")


def incident(
    region: str,
    phase: Phase,
    milestones: dict[str, float],
    *,
    steps: tuple[dict[str, Any], ...] = (),
    service: str = "payments",
    level: Level = Level.FULL,
    detail: str = "",
    passed: bool | None = None,
) -> dict[str, Any]:
    """As ``GET /v1/incidents/{id}`` answers. *milestones*: seconds after the start."""
    id = f"01K{region.upper()}{service.upper()}"
    state = ServiceState(
        region=region,
        service=service,
        weights={"v1": 0, "v2": 100},
        mesh_generation=3,
        replicas={"v1": 0, "v2": 2},
        ready={"v2": 2},
        platform_generation=4,
        deployments=(Deployment(release="v2", at=time_of(0)), Deployment(release="v1", at=time_of(-9))),
    )
    planned = "planned" in milestones
    entry = Service(tier=1, regions=(region,), slos=Slos(availability=Availability(objective=99.9)), policy="full")
    catalog = Catalog(
        version=1, regions={region: Region()}, services={service: entry}, policies={"full": Policy(level=Level.FULL)}
    )
    window = Window(service=service, region=region, seconds=1, arms={})
    seen = Assessment(observation=Observation(window=window, verdicts={}))
    plan = make_plan(
        id, catalog, situation(service, [state], seen, Said(began_at=time_of(0)), time_of(1)), protected=True
    )
    verdict = Verdict(finding=Finding.PASS if passed else Finding.FAIL, sentence="0 of 500 failed, at most 0.1% may")
    stored = StoredIncident(
        id=id,
        workflow=f"incident:{region}:{service}:0123456789ab",
        region=region,
        service=service,
        severity=Severity.CRITICAL,
        level=level,
        reason="ErrorBudgetBurn",
        catalog="digest",
        received_at=time_of(milestones["received"]),
        phase=phase,
        detail=detail,
        ended_at=time_of(milestones["ended"]) if "ended" in milestones else None,
        sentence=f"{service} in {region} is verified healthy" if phase is Phase.RESOLVED else "",
        strategy="immediate" if planned else None,
        target="v1" if planned else None,
        plan={**plan.model_dump(mode="json"), "hash": plan.hash} if planned else None,
        verdict=None if passed is None else verdict,
        impact=None,
        milestones={name: time_of(at) for name, at in milestones.items()},
        alerts=1,
    )
    links = {"temporal": f"http://ui/{region}/{service}", "gateway": f"http://gateway/v1/incidents/{id}"}
    return {**stored.model_dump(mode="json"), "steps": list(steps), "links": links}


RECOVERED = {
    "received": 14.0,
    "protected": 14.061,
    "planned": 14.4,
    "contained": 17.5,
    "lifted": 24.0,
    "recovered": 29.5,
    "ended": 29.6,
}


def resolved(region: str, **changes: float) -> dict[str, Any]:
    """An incident of payments that went as it should."""
    steps = [step(name, "done", 15 + number) for number, name in enumerate(list(STEPS)[1:])]
    protect = step("protect", "undone", 24, "lifted: the service is verified")
    return incident(region, Phase.RESOLVED, {**RECOVERED, **changes}, steps=(protect, *steps), passed=True)


def without(told: dict[str, Any], *fields: str) -> dict[str, Any]:
    """As ``GET /v1/incidents`` answers, which leaves things out."""
    return {name: value for name, value in told.items() if name not in fields}


def traffic(story: Story, region: str, *, until: int = 35, failing: range = range(11, 18), failed: int = 5) -> None:
    """A line for each second from 6 s on; those that end within *failing* have failures, sent as they end."""
    last: float | None = None
    for end in range(6, until + 1):
        bad = failed if end in failing else 0
        last = float(end) - 0.1 if bad else last
        story.load(second(region, end, failed=bad, last_failure=last))


def told(*incidents: dict[str, Any], failing: range = range(11, 18), regions: tuple[str, ...] = REGIONS) -> Story:
    """A run to its end: traffic in all regions, five failures a second while *failing*, and *incidents*."""
    story = Story(clock=lambda: START)
    story.reach("started", START)
    story.reach("fleet-ready", START + 5)
    story.reach("deployed", START + 9)
    for region in regions:
        traffic(story, region, failing=failing)
        story.routed(region, {"v1": 100, "v2": 0})
    for each in incidents:
        story.incident(each)
    story.reach("recovered", START + 30)
    story.load(totals(**{region: (600, 5 * len(failing)) for region in regions}))
    story.reach("load-stopped", START + 35)
    return story
