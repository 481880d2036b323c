"""``sternway undo`` as a person meets it: what it refuses, what it stops at, and that it can be run again."""

from __future__ import annotations

import re
import signal

import httpx
import pytest

from models.identity import Key
from tests.recovery.scene import Scene
from tests.saga.picture import picture
from tests.waiting import until
from workers.local.world import REGION, TOKEN

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


# One step alone


async def deploy(scene: Scene, key: str) -> httpx.Response:
    """Tell the agent of another deployment of v2."""
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False) as client:
        url = f"{scene.urls['AGENT']}/v1/regions/{REGION}/services/payments/deployments"
        return await client.post(url, json={"release": "v2", "key": f"deployment:{key}:do:1"})


async def test_a_freeze_that_outlived_its_incident_is_lifted_and_the_rollback_stays(scene: Scene) -> None:
    incident = await scene.incident()
    shown = await scene.until_phase(incident, "resolved")
    platform = await scene.directory.platform(scene.scope(incident))
    await platform.change(Key(incident=incident, step="payments.freeze"), REGION, "payments", {"frozen": True}, None)
    recovered = await picture(scene)

    refused = await deploy(scene, f"{incident}-refused")
    named = re.search(rf"'sternway (undo {incident} --step [^']+)'", refused.json()["detail"])
    assert (refused.status_code, named is not None) == (423, True), refused.text
    command = named.group(1).split() if named else []
    asked = await scene.sternway(*command)
    assert (asked.status, f"sternway {' '.join(command)} --yes" in asked.error) == (2, True), asked
    assert "to undo    platform local of eu: eu/payments: frozen true -> absent" in asked.output
    assert "stays      mesh envoy of eu: payments: weight/v1 100 -> " in asked.output
    lifted = await scene.sternway(*command, "--yes", "--json")

    assert (lifted.status, lifted.report["step"], lifted.report["recorded"]) == (0, "payments.freeze", "recorded")
    assert [change["change"] for change in lifted.report["changes"]] == ["eu/payments: frozen true -> absent"]
    assert await picture(scene) == recovered
    assert (await deploy(scene, f"{incident}-deployed")).status_code == 200
    again = await scene.sternway(*command, "--yes", "--json")
    assert (again.status, again.report["changes"], again.report["recorded"]) == (0, [], "recorded already")
    now = await scene.shown(incident)
    assert [now[what] for what in ("phase", "sentence", "ended_at")] == [
        shown[what] for what in ("phase", "sentence", "ended_at")
    ]
    statuses = {step["record"]["step"]: step["record"]["status"] for step in now["steps"]}
    assert (statuses["payments.freeze"], statuses["payments.switch"]) == ("undone", "done")
    assert (await scene.sternway("undo", incident, "--yes")).status == 0, "the rest can still be undone"


@pytest.mark.parametrize("step", ["payments.scale-target", "payments.nothing"])
async def test_a_step_that_is_not_there_or_that_others_may_rely_on_is_not_taken_back_alone(
    scene: Scene, step: str
) -> None:
    incident = await scene.incident()
    await scene.until_phase(incident, "resolved")
    stands = await scene.stands()

    refused = await scene.sternway("undo", incident, "--step", step, "--yes")

    assert (refused.status, "payments.retire" in refused.error, "nothing was done" in refused.error) == (2, True, True)
    assert await scene.stands() == stands


async def test_no_step_is_taken_back_alone_while_its_incident_runs_or_may_run(scene: Scene) -> None:
    incident = await scene.incident()
    await scene.until_changed(incident, "switch")
    running = await scene.sternway("undo", incident, "--step", "payments.switch", "--yes")
    scene.lose_temporal()
    unknown = await scene.sternway("undo", incident, "--step", "payments.switch", "--yes")

    assert (running.status, f"sternway incidents abort {incident}" in running.error) == (2, True), running
    assert (unknown.status, unknown.error.rstrip().endswith(f"sternway undo {incident}")) == (2, True), unknown
    assert not [receipt for receipt in await scene.receipts(incident) if ":undo:" in receipt.key]
    assert (await scene.sternway("undo", incident, "--yes")).status == 0
