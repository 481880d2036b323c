"""What the strategies ask of a platform goes through on Kubernetes, and undoing it leaves what was there before.

Each change is made for the generation that the one before has left, as the executor does.
"""

from __future__ import annotations

import pytest

from activities.platform.activities import judge_ready
from activities.platform.drivers.kubernetes import KubernetesPlatform
from activities.rollback.strategies import blue_green, canary_reverse, emergency, gradual, immediate
from activities.rollback.target import way_back
from models.catalog import Driver, RollbackPolicy
from models.identity import Key
from models.receipt import Outcome
from models.service_state import ServiceState
from models.stage import Ready
from tests.platform import api_server
from tests.platform.api_server import autoscaler, deployment
from tests.waiting import until
from workflows.operations import change_of

SERVICE = "dispatch"
STRATEGIES = {one.NAME: one.stages for one in (immediate, gradual, canary_reverse, blue_green, emergency)}


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_rollback_goes_through_and_can_be_undone(strategy: str) -> None:
    async with api_server.running() as server:
        server.cluster.controller = "slow"
        for release, replicas in (("v1", 0), ("v2", 3)):
            server.cluster.create("deployments", deployment(SERVICE, release, replicas))
            server.cluster.create("horizontalpodautoscalers", autoscaler(f"{SERVICE}-{release}", 1, 10))
        driver = KubernetesPlatform(Driver(kind="kubernetes", url=server.url))
        before = await driver.read("eu", SERVICE)
        state = ServiceState(
            region="eu",
            service=SERVICE,
            weights={"v2": 100},
            mesh_generation=1,
            replicas=before.replicas,
            ready=before.ready,
            platform_generation=before.generation,
            deployments=before.deployments,
            runnable=before.runnable,
        )
        way = way_back(state, (), {})
        assert (way.bad, way.target) == ("v2", "v1")

        async def ready(check: Ready) -> bool:
            return judge_ready(check, (await driver.read("eu", SERVICE)).ready).passed

        made: list[Key] = []
        expected = before.generation
        for step in (
            step for stage in STRATEGIES[strategy](state, "v1", "v2", RollbackPolicy()) for step in stage.steps
        ):
            change = change_of(step.operation)
            if change.module == "platform":
                made.append(Key(incident="01OURS", step=step.id))
                receipt = await driver.change(made[-1], "eu", SERVICE, change.fields, expected)
                expected = receipt.generation
            if isinstance(check := step.check, Ready):
                await until(lambda check=check: ready(check), 5, step.title)

        after = await driver.read("eu", SERVICE)
        assert after.state == {"replicas/v1": 3, "replicas/v2": 3 if strategy == blue_green.NAME else 0}
        undone = [await driver.undo(key, "eu", SERVICE) for key in reversed(made)]
        assert {receipt.outcome for receipt in undone} == {Outcome.RESTORED}
        assert (await driver.read("eu", SERVICE)).state == before.state
        bounds = [one["spec"] for one in server.cluster.list("horizontalpodautoscalers")]
        assert [(one["minReplicas"], one["maxReplicas"]) for one in bounds] == [(1, 10), (1, 10)]
        await driver.close()
