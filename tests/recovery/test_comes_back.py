"""An incident that was undone without Temporal comes back with it: it changes nothing more, and waits for a person."""

from __future__ import annotations

import pytest
from temporalio.service import RPCError

from models.incident import Approval, IncidentState
from tests.recovery.scene import Scene
from tests.saga.picture import picture
from tests.waiting import until
from workflows.incident import IncidentWorkflow

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

SOMEBODY = Approval(by="a test", reason="to see what happens")


@pytest.mark.parametrize("step", ["scale-target", "drain", "retire"])
async def test_it_ends_in_a_hold_and_what_was_undone_stays_undone(scene: Scene, step: str) -> None:
    before = await picture(scene)
    incident = await scene.incident()
    await scene.until_changed(incident, step)
    workflow = (await scene.shown(incident))["workflow"]
    scene.kill_temporal()
    assert (await scene.sternway("undo", incident, "--yes")).status == 0
    stands = await scene.stands()
    assert await picture(scene) == before

    await scene.start_temporal()
    handle = (await scene.client()).get_workflow_handle_for(IncidentWorkflow.run, workflow)

    async def held() -> IncidentState | None:
        try:
            state = await handle.query(IncidentWorkflow.state)
        except RPCError:  # nobody has taken it over yet
            return None
        return state if state.hold and "no worker pool" not in state.hold else None

    await until(held, 120, "the incident holds for a person, and not for a pool that has yet to find Temporal again")
    assert await scene.stands() == stands

    await handle.execute_update(IncidentWorkflow.retry, SOMEBODY)
    await until(held, 60, "it holds again")
    await handle.execute_update(IncidentWorkflow.abort, SOMEBODY)
    await handle.result()
    assert await scene.stands() == stands
    shown = await scene.shown(incident)
    assert (shown["phase"], "undone without its workflow" in shown["sentence"]) == ("aborted", True)
    assert scene.failures == []
