"""An incident whose workflow is gone is begun again: as a new one, for the same alerts, from the world as it is."""

from __future__ import annotations

import pytest

from tests.recovery.scene import Scene

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]


async def begun_again(scene: Scene, incident: str) -> dict[str, object]:
    async with scene.http as http:
        known = {row["id"] for row in (await http.get("/v1/incidents")).json()}
    restarted = await scene.sternway("restart", incident, "--json", "--by", "ada", "--reason", "it was lost")
    assert (restarted.status, restarted.report) == (0, {"incident": incident, "alerts": 1}), restarted
    return await scene.until_phase(await scene.opened_besides(known), "resolved", "held", "aborted")


async def test_lost_before_traffic_moved_it_goes_on_from_there_and_ends_resolved(scene: Scene) -> None:
    incident = await scene.incident()
    await scene.until_changed(incident, "scale-target")
    scene.lose_temporal()
    await scene.start_temporal()

    new = await begun_again(scene, incident)

    assert new["phase"] == "resolved", new["detail"]
    assert (await scene.routing()).weights == {"v1": 100, "v2": 0}
    old = await scene.shown(incident)
    assert (old["phase"], old["sentence"]) == ("aborted", "begun again by ada: it was lost")
    assert scene.failures == []


async def test_undone_first_it_begins_from_the_state_before_though_temporal_knows_the_old_one(scene: Scene) -> None:
    incident = await scene.incident()
    await scene.until_changed(incident, "switch")
    client = await scene.client()
    workflow = (await scene.shown(incident))["workflow"]
    for id in (workflow, f"rollback:{incident}:payments"):
        await client.get_workflow_handle(id).terminate("a person, in the UI")
    assert (await scene.sternway("undo", incident, "--yes")).status == 0

    new = await begun_again(scene, incident)

    assert new["phase"] == "resolved", new["detail"]
    assert (await scene.routing()).weights == {"v1": 100, "v2": 0}
    again = await scene.sternway("restart", incident)
    assert (again.status, "nothing to begin again" in again.error) == (2, True)


async def test_it_is_refused_while_the_incident_runs_and_while_nobody_knows(scene: Scene) -> None:
    incident = await scene.incident()
    await scene.until_changed(incident, "scale-target")

    running = await scene.sternway("restart", incident)
    scene.lose_temporal()
    unknown = await scene.sternway("restart", incident)

    assert (running.status, f"sternway incidents abort {incident}" in running.error) == (2, True)
    assert (unknown.status, "Temporal does not answer" in unknown.error) == (2, True)
    assert (await scene.sternway("undo", incident, "--yes")).status == 0
