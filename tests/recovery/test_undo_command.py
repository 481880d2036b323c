"""``sternway undo`` as a person meets it: what it refuses, what it stops at, and that it can be run again."""

from __future__ import annotations

import signal

import pytest

from tests.recovery.scene import Scene
from tests.saga.picture import picture
from tests.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

NO_STORE = {"STERNWAY_STORE_URL": "postgresql://nobody@127.0.0.1:1/nothing?connect_timeout=1"}


async def lost(scene: Scene, step: str) -> str:
    """An incident that has come to *step* when Temporal was lost."""
    incident = await scene.incident()
    await scene.until_changed(incident, step)
    scene.lose_temporal()
    return incident


@pytest.mark.parametrize("environment", [{}, NO_STORE], ids=["with the store", "without the store"])
async def test_an_incident_that_runs_is_not_undone_but_to_be_aborted(scene: Scene, environment: dict[str, str]) -> None:
    incident = await scene.incident()
    await scene.until_changed(incident, "scale-target")

    refused = await scene.sternway("undo", incident, "--yes", environment=environment)

    assert (refused.status, f"sternway incidents abort {incident}" in refused.error) == (2, True), refused
    assert (await scene.until_phase(incident, "resolved", "held", "aborted"))["phase"] == "resolved"


async def test_a_person_may_undo_what_was_resolved(scene: Scene) -> None:
    before = await picture(scene)
    incident = await scene.incident()
    await scene.until_phase(incident, "resolved")

    assert (await scene.sternway("undo", incident, "--yes")).status == 0
    assert await picture(scene) == before
    assert (await scene.shown(incident))["phase"] == "aborted"


async def test_without_the_store_and_with_another_region_dead_all_is_undone_and_a_second_run_records_it(
    scene: Scene,
) -> None:
    before = await picture(scene)
    incident = await lost(scene, "drain")
    environment = {**NO_STORE, "STERNWAY_CATALOG": str(scene.with_a_dead_region())}

    first = await scene.sternway("undo", incident, "--yes", "--json", environment=environment)
    assert (first.status, first.report["recorded"].split(":")[0]) == (0, "not recorded"), first
    assert await picture(scene) == before
    assert (await scene.shown(incident))["phase"] != "aborted"

    second = await scene.sternway("undo", incident, "--yes", "--json")
    assert (second.status, second.report["changes"], second.report["recorded"]) == (0, [], "recorded"), second
    assert (await scene.shown(incident))["phase"] == "aborted"

    third = await scene.sternway("undo", incident)
    assert third.status == 0, "with nothing to undo there is nothing to ask"
    assert "recorded already" in third.output
    assert "nothing is left to undo" in third.output
    assert await picture(scene) == before


async def test_what_somebody_else_has_changed_since_is_left_with_what_carries_it(scene: Scene) -> None:
    incident = await lost(scene, "drain")
    await scene.set_weights("payments", {"weight/v1": 90, "weight/v2": 10, "drain/v2": None})

    first = await scene.sternway("undo", incident, "--yes", "--json")

    assert first.status == 1, first.error
    assert (await scene.routing()).weights == {"v1": 90, "v2": 10}
    assert (await scene.workload()).replicas == {"v1": 1, "v2": 1}, "v1 keeps the capacity for its traffic"
    assert any("somebody else" in sentence for sentence in first.report["left"])
    assert any("replicas/v1 1 -> " in s and s.endswith("still in effect") for s in first.report["left"])
    shown = await scene.shown(incident)
    assert (shown["phase"], shown["ended_at"] is not None) == ("held", True)
    again = await scene.sternway("undo", incident, "--yes", "--json")
    assert (again.status, again.report["changes"], again.report["recorded"]) == (1, [], "recorded already")


async def test_nothing_is_begun_while_a_control_plane_of_the_region_is_away(scene: Scene) -> None:
    before = await picture(scene)
    incident = await lost(scene, "retire")
    scene.kill_mesh()
    refused = await scene.sternway("undo", incident, "--yes")
    await scene.bring_back_mesh()

    assert (refused.status, "mesh envoy of eu" in refused.error) == (2, True), refused
    assert not [receipt for receipt in await scene.receipts(incident) if ":undo:" in receipt.key]
    assert (await scene.sternway("undo", incident, "--yes")).status == 0
    assert await picture(scene) == before


async def test_interrupted_in_the_middle_it_leaves_what_a_second_run_finishes(scene: Scene) -> None:
    """It waits until v2 is ready again, and only then would traffic go back there."""
    before = await picture(scene)
    incident = await lost(scene, "retire")
    undoing = await scene.begin(["undo", incident, "--yes"])

    async def begun() -> bool:
        return any(".retire:undo:" in receipt.key for receipt in await scene.receipts(incident))

    await until(begun, 30, "the undoing has begun")
    undoing.send_signal(signal.SIGINT)
    _, error = await undoing.communicate()

    assert (undoing.returncode, b"goes on with the rest" in error) == (1, True), error
    assert await picture(scene) != before
    second = await scene.sternway("undo", incident, "--yes", "--json")
    assert second.status == 0, second
    assert second.report["changes"][0]["came"] == "already"
    assert await picture(scene) == before
    assert scene.failures == []


async def test_it_asks_first_and_says_what_it_would_do(scene: Scene) -> None:
    incident = await lost(scene, "switch")
    stands = await scene.stands()

    refused = await scene.sternway("undo", incident)

    assert (refused.status, "--yes" in refused.error) == (2, True)
    assert "mesh envoy of eu: payments: weight/v1 100 -> " in refused.output
    assert await scene.stands() == stands
    assert (await scene.sternway("undo", incident, "--yes")).status == 0


async def test_an_incident_that_nobody_knows_is_an_error(scene: Scene) -> None:
    unknown = await scene.sternway("undo", "01NOBODY", "--yes")
    assert (unknown.status, "the store knows none of that name" in unknown.error) == (2, True)
