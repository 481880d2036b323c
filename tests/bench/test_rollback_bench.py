"""What the benchmark of the ways back takes for the time of a stage, and for a recovery."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from activities.analytics.contract import RECORD, SOAK
from activities.contract import Contract
from activities.mesh.contract import CHANGE as ROUTE
from activities.mesh.contract import ROUTED
from activities.platform.contract import CHANGE as SCALE
from activities.platform.contract import READY
from activities.rollback.contract import PRECHECK
from activities.rollback.selection import STRATEGIES
from activities.rollback.strategies import immediate, staged
from bench.history import Activity
from bench.load import Answer
from bench.plans import plan_of
from bench.rollback_faults import Case
from bench.rollback_stages import as_run
from models.catalog import RollbackPolicy
from models.plan import RollbackPlan, ServiceRollback
from models.rollback import RollbackResult
from models.service_state import ServiceState
from models.stage import Stage
from models.verdict import Finding, Verdict

POLICY = RollbackPolicy()


def plan(*levels: Sequence[str], stages: Sequence[str]) -> RollbackPlan:
    """Each service goes back by these of the stages of *immediate*."""
    return plan_of(staged.NAME, [_back(service, stages) for level in levels for service in level], levels)


def _back(service: str, names: Sequence[str]) -> tuple[ServiceRollback, tuple[Stage, ...]]:
    state = ServiceState(
        region="eu",
        service=service,
        weights={"v2": 100},
        mesh_generation=1,
        replicas={"v2": 1},
        ready={"v2": 1},
        platform_generation=1,
    )
    rollback = ServiceRollback(
        strategy=immediate.NAME,
        target="v1",
        bad="v2",
        state=state,
        policy=POLICY,
        before=Verdict(finding=Finding.PASS, sentence="it is healthy"),
    )
    stages = STRATEGIES[immediate.NAME](state, "v1", "v2", POLICY)
    return rollback, tuple(stage for stage in stages if stage.name in names)


def ran(
    contract: Contract[Any, Any], scheduled: float, started: float, completed: float, service: str = "payments"
) -> Activity:
    return Activity(contract.name, {"service": service}, scheduled, started, completed)


def test_a_stage_lasts_from_the_end_of_the_one_before_it_and_what_its_gate_watched_is_left_out() -> None:
    done = [
        ran(PRECHECK, 0, 1, 2),
        ran(SCALE, 3, 3, 4),
        ran(READY, 4, 4, 10),
        ran(ROUTE, 11, 11, 12),
        Activity(RECORD.name, {"entries": []}, 11, 11, 50),
        ran(ROUTED, 12, 13, 14),
        ran(SOAK, 16, 17, 47),
    ]
    assert as_run(plan(["payments"], stages=["scale-target", "switch", "soak"]), done) == {
        "payments/scale-target": 8,
        "payments/switch": 4,
        "payments/soak": 3,
    }


def test_a_wave_begins_when_every_lane_before_it_has_ended() -> None:
    done = [
        ran(PRECHECK, 0, 0, 1),
        ran(ROUTE, 2, 2, 3, "ledger"),
        ran(ROUTE, 2, 2, 4, "billing"),
        ran(ROUTED, 3, 3, 5, "ledger"),
        ran(ROUTED, 4, 4, 9, "billing"),
        ran(ROUTE, 10, 10, 11),
        ran(ROUTED, 11, 11, 12),
    ]
    assert as_run(plan(["billing", "ledger"], ["payments"], stages=["switch"]), done) == {
        "billing/switch": 8,
        "ledger/switch": 4,
        "payments/switch": 3,
    }


GOOD, FAILED, SLOW = Answer(20, 0.1, "200"), Answer(20, 0.1, "500: "), Answer(20, 0.9, "200")


@pytest.mark.parametrize(
    ("afterwards", "outcome", "recovered"),
    [
        ([GOOD] * 20, "done", True),
        ([GOOD] * 19 + [SLOW], "done", True),
        ([GOOD] * 18 + [SLOW] * 2, "done", False),
        ([GOOD] * 19 + [FAILED], "done", False),
        ([GOOD] * 20, "held", False),
    ],
    ids=["all well", "within the objective", "too slow", "one fails", "held"],
)
def test_a_service_has_recovered_when_it_is_done_and_those_who_ask_then_are_served(
    afterwards: list[Answer], outcome: str, recovered: bool
) -> None:
    result = RollbackResult.model_validate(
        {
            "outcome": outcome,
            "sentence": "",
            "steps": (),
            "verdict": None,
            "contained_at": datetime.fromtimestamp(10, UTC),
        }
    )
    before = [Answer(5, 0.1, "500: "), Answer(9, 0.9, "200")]
    case = Case(result, began=8, ended=20, answers=[*before, *afterwards])
    assert case.recovered is recovered
    assert case.failed_once_contained == afterwards.count(FAILED)
