"""A service that an incident has frozen in a region is not deployed there until the freeze is lifted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from activities.driver import Refused
from activities.platform.drivers.local import LocalPlatform
from models.identity import Key
from models.receipt import Fields, Outcome, Receipt, Value
from tests.platform.agents import TOKEN, AgentProcess

SERVICE = "dispatch"


@dataclass(frozen=True)
class Place:
    """One region of the agent, where no other test changes anything."""

    driver: LocalPlatform
    agent: AgentProcess

    def key(self, step: str, incident: str = "01INCIDENT") -> Key:
        return Key(incident=incident, step=f"{self.agent.region}:{step}")

    async def change(self, step: str, fields: Fields, incident: str = "01INCIDENT") -> Receipt:
        return await self.driver.change(self.key(step, incident), self.agent.region, SERVICE, fields, None)

    async def undo(self, step: str, incident: str = "01INCIDENT") -> Receipt:
        return await self.driver.undo(self.key(step, incident), self.agent.region, SERVICE)

    async def deploy(self, key: str, release: str = "v2", region: str | None = None) -> httpx.Response:
        body = {"release": release, "key": f"{self.agent.region}-{key}"}
        url = f"/v1/regions/{region or self.agent.region}/services/{SERVICE}/deployments"
        return await self.agent.client.post(url, json=body)

    async def state(self) -> Fields:
        return (await self.driver.read(self.agent.region, SERVICE)).state


@pytest.fixture
async def place(shared: AgentProcess) -> AsyncIterator[Place]:
    driver = LocalPlatform(shared.url, TOKEN)
    yield Place(driver, shared)
    await driver.close()


async def test_a_deployment_is_refused_and_told_who_froze_the_service_and_how_it_is_lifted(place: Place) -> None:
    await place.change("freeze", {"frozen": True})
    await place.change("scale", {"replicas/v2": 0}, incident="01ANOTHER")
    refused = await place.deploy("one")
    assert refused.status_code == 423
    said = refused.json()["detail"]
    assert "frozen by incident 01INCIDENT" in said
    assert "sternway incidents abort 01INCIDENT" in said
    assert f"sternway undo 01INCIDENT --step {place.key('freeze').step}'" in said
    assert (await place.driver.read(place.agent.region, SERVICE)).deployments == ()


async def test_replicas_of_a_frozen_service_can_be_changed(place: Place) -> None:
    await place.change("freeze", {"frozen": True})
    await place.change("scale", {"replicas/v1": 0})
    workload = await place.driver.read(place.agent.region, SERVICE)
    assert (workload.state, workload.replicas) == ({"frozen": True, "replicas/v1": 0}, {"v1": 0})


async def test_the_same_service_in_another_region_is_deployed(place: Place) -> None:
    await place.change("freeze", {"frozen": True})
    assert (await place.deploy("one", region=f"{place.agent.region}-other")).status_code == 200


async def test_a_deployment_from_before_the_freeze_is_answered_as_it_was(place: Place) -> None:
    first = await place.deploy("one")
    await place.change("freeze", {"frozen": True})
    again = await place.deploy("one")
    assert (again.status_code, again.json()) == (200, first.json())


async def test_undoing_the_freeze_lets_deployments_in_again(place: Place) -> None:
    await place.change("scale", {"replicas/v1": 0})
    before = await place.state()
    await place.change("freeze", {"frozen": True})
    assert (await place.undo("freeze")).outcome is Outcome.RESTORED
    assert await place.state() == before
    assert (await place.deploy("one")).status_code == 200


async def test_a_freeze_that_is_lifted_by_a_later_change_lets_deployments_in_again(place: Place) -> None:
    await place.change("freeze", {"frozen": True})
    await place.change("lift", {"frozen": None}, incident="01ANOTHER")
    assert (await place.undo("freeze")).outcome is Outcome.SUPERSEDED
    assert (await place.deploy("one")).status_code == 200


async def test_a_freeze_that_is_brought_back_names_the_change_whose_undoing_lifts_it(place: Place) -> None:
    await place.change("freeze", {"frozen": True}, incident="01ANOTHER")
    await place.change("lift", {"frozen": None})
    assert (await place.deploy("one")).status_code == 200
    await place.undo("lift")
    refused = await place.deploy("two", "v1")
    assert refused.status_code == 423
    assert f"sternway undo 01ANOTHER --step {place.key('freeze').step}'" in refused.json()["detail"]
    await place.undo("freeze", incident="01ANOTHER")
    assert (await place.deploy("two", "v1")).status_code == 200


@pytest.mark.parametrize("value", [1, "true", 0], ids=str)
async def test_frozen_is_true_or_absent(place: Place, value: Value) -> None:
    with pytest.raises(Refused, match="valid boolean"):
        await place.change("freeze", {"frozen": value})
    assert await place.state() == {}
