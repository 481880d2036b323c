"""Temporal is killed and its database deleted in the middle of a rollback: everything is brought back, and known."""

from __future__ import annotations

import re

import pytest

from models.receipt import Outcome
from tests.recovery.scene import Scene
from tests.saga.picture import picture

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

STEPS = ("scale-target", "switch", "drain", "retire")


@pytest.mark.parametrize(
    ("step", "temporal"), [(step, "gone") for step in STEPS] + [("switch", "empty"), ("retire", "empty")]
)
async def test_undo_brings_back_the_state_before_and_accounts_for_every_change(
    scene: Scene, step: str, temporal: str
) -> None:
    before = await picture(scene)
    incident = await scene.incident()
    await scene.until_changed(incident, step)
    scene.lose_temporal()
    if temporal == "empty":
        await scene.start_temporal()

    undone = await scene.sternway("undo", incident, "--yes", "--json", "--by", "ada", "--reason", "it was lost")

    assert undone.status == 0, undone.output + undone.error
    assert await picture(scene) == before
    assert await scene.leases("payments") == []
    assert scene.failures == []
    receipts = await scene.receipts(incident)
    made = [receipt.key for receipt in receipts if receipt.outcome is Outcome.APPLIED]
    taken_back = [receipt.key for receipt in receipts if receipt.outcome is Outcome.RESTORED]
    assert taken_back == [key.replace(":do:", ":undo:") for key in reversed(made)]
    assert len(undone.report["changes"]) == len(made)
    shown = await scene.shown(incident)
    assert (shown["phase"], shown["sentence"]) == ("aborted", "undone without its workflow by ada: it was lost")
    assert {status for s in shown["steps"] if (status := s["record"]["status"]) != "nothing-to-undo"} == {"undone"}
    assert sorted(r["key"] for s in shown["steps"] for r in s["receipts"]) == sorted(made + taken_back)


async def test_running_incidents_are_listed_from_the_store_with_what_they_had_changed(scene: Scene) -> None:
    incident = await scene.incident()
    await scene.until_changed(incident, "drain")
    scene.lose_temporal()
    scene.processes.kill_named("gateway")
    try:
        away = await scene.sternway("incidents", "orphans", "--json")
        await scene.start_temporal()
        empty = await scene.sternway("incidents", "orphans", "--json")
        people = await scene.sternway("incidents", "orphans")
    finally:
        await scene.start_gateway()

    assert (away.status, empty.status, people.status) == (0, 0, 0), away.error + empty.error + people.error
    found = next(one for one in away.lines if one["incident"] == incident)
    assert (found["runs"], found["workflow"]) == (None, "unknown: Temporal does not answer")
    for change in (r"replicas/v1 (absent|0) -> 1", r"weight/v2 100 -> 0", r"drain/v2 absent -> true"):
        assert re.search(change, found["changes"]), found["changes"]
    found = next(one for one in empty.lines if one["incident"] == incident)
    assert (found["runs"], found["workflow"]) == (False, "its workflow is unknown to Temporal")
    assert incident in people.output
    assert (await scene.sternway("undo", incident, "--yes")).status == 0
