"""Incidents that ran on an earlier version go on: every recorded history replays, in the strict sandbox."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import NondeterminismError

from activities.rollback import contract as rollback
from tests.determinism.record import HISTORIES, PREVENTIONS, SCENARIOS
from workers.conversion import data_converter
from workers.registry import WORKFLOWS
from workers.worker import SHARED

JSON_PLAIN = base64.b64encode(b"json/plain").decode()

RECORDED = sorted(HISTORIES.glob("*.json"))


def replayer() -> Replayer:
    """Stricter than a worker, which loads our own modules outside the sandbox."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*SHARED)
    return Replayer(
        workflows=WORKFLOWS,
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
        data_converter=data_converter,
    )


def history(file: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(file.stem, file.read_text())


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
async def test_a_recorded_history_replays(file: Path) -> None:
    await replayer().replay_workflow(history(file))


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
async def test_a_field_that_only_another_build_knows_does_not_stop_who_is_told_of_it(file: Path) -> None:
    await replayer().replay_workflow(history_with_unknown_fields(file))


def history_with_unknown_fields(file: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(file.stem, json.loads(file.read_text(), object_hook=with_an_unknown_field))


def with_an_unknown_field(part: dict[str, Any]) -> dict[str, Any]:
    """A payload of the history whose objects say more than this build knows; any other part as it is."""
    if part.get("metadata", {}).get("encoding") != JSON_PLAIN:
        return part
    said: Any = json.loads(base64.b64decode(part["data"]))
    for message in said if isinstance(said, list) else [said]:
        if isinstance(message, dict):
            message["only_a_later_build_knows"] = {"this": [1]}
    return {**part, "data": base64.b64encode(json.dumps(said).encode()).decode()}


def test_every_scenario_was_recorded() -> None:
    names = {file.stem for file in RECORDED}
    assert {f"{scenario.name}-incident" for scenario in SCENARIOS} <= names
    assert {f"{prevention.name}-prevention" for prevention in PREVENTIONS} <= names
    assert {"done-rollback", "compensated-rollback", "aborted-rollback", "retried-rollback", "done-lock"} <= names
    assert {"escalated-incident", "escalated-rollback", "contested-lock", "abandoned-lock"} <= names


async def test_another_order_of_commands_does_not_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollback, "PRECHECK", replace(rollback.PRECHECK, name="something.else.v1"))
    with pytest.raises(NondeterminismError):
        await replayer().replay_workflow(history(HISTORIES / "done-rollback.json"))


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_a_history_names_no_place_of_the_machine_that_recorded_it(file: Path) -> None:
    text = file.read_text()
    places = ("/home/", "/root/", "/work/", "/tmp/", "/usr/")  # noqa: S108 -- nothing is written there
    assert not [place for place in places if place in text]
