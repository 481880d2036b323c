"""An incident that is terminated in Temporal leaves its effects behind: it is found, raised, and can be undone."""

from __future__ import annotations

import pytest

from models.rollback import Control
from tests.recovery.scene import Scene
from tests.saga.picture import picture

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]


async def test_it_is_raised_with_what_it_had_changed_and_undone_once(scene: Scene) -> None:
    before = await picture(scene)
    incident = await scene.incident()
    await scene.until_changed(incident, "drain")
    client = await scene.client()
    workflow = (await scene.shown(incident))["workflow"]
    for id in (workflow, f"rollback:{incident}:payments"):
        await client.get_workflow_handle(id).terminate("a person, in the UI")

    raised = await scene.until_phase(incident, "orphaned")

    assert "its workflow was terminated" in raised["detail"]
    assert "weight/v2 100 -> 0" in raised["detail"]
    assert f"sternway undo {incident}" in raised["detail"]
    assert "incident orphaned" in scene.processes.log("gateway").read_text()
    assert (await scene.sternway("undo", incident, "--yes")).status == 0
    assert await picture(scene) == before
    assert (await scene.shown(incident))["phase"] == "aborted"
    assert scene.failures == []


async def test_its_rollback_that_still_runs_is_shut_out(scene: Scene) -> None:
    before = await picture(scene)
    incident = await scene.incident()
    await scene.until_changed(incident, "switch")
    client = await scene.client()
    await client.get_workflow_handle((await scene.shown(incident))["workflow"]).terminate("a person, in the UI")

    undone = await scene.sternway("undo", incident, "--yes")

    assert undone.status == 0, undone
    assert "the rollback that it had begun still runs" in undone.output
    assert await picture(scene) == before
    stands = await scene.stands()
    rollback = client.get_workflow_handle(f"rollback:{incident}:payments")
    await rollback.signal("control", Control(action="abort", by="a test", reason="it is to end soon"))
    await rollback.result()
    assert await scene.stands() == stands
    assert scene.failures == []
