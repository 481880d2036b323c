"""What the Kubernetes driver promises beyond the contract: nothing of it needs more than the objects themselves."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from activities.driver import Moved, Refused, Unavailable
from activities.platform.driver import Workload
from activities.platform.drivers.kubernetes import KubernetesPlatform
from models.catalog import Driver
from models.identity import Key
from models.receipt import Fields, Outcome, Receipt
from tests.platform import api_server
from tests.platform.api_server import ApiServer, autoscaler, deployment
from tests.platform.cluster import Cluster, Object
from tests.recovery.test_regions_of_an_undo import SHARED
from tests.waiting import until
from workers.recovery.planes import PlatformPlane
from workers.recovery.undoing import Undoing

ACCESS = Path(__file__).parents[2] / "deploy/kubernetes/access.yaml"
SERVICE = "dispatch"
OURS = "01OURS"


@dataclass(frozen=True)
class Place:
    """The service with three replicas of v1 and two of v2."""

    server: ApiServer
    driver: KubernetesPlatform

    @property
    def cluster(self) -> Cluster:
        return self.server.cluster

    async def read(self) -> Workload:
        return await self.driver.read("eu", SERVICE)

    async def change(
        self, step: str, fields: Fields, expected: int | None = None, incident: str = OURS, attempt: int = 1
    ) -> Receipt:
        key = Key(incident=incident, step=step, attempt=attempt)
        return await self.driver.change(key, "eu", SERVICE, fields, expected)

    async def undo(self, step: str, incident: str = OURS) -> Receipt:
        return await self.driver.undo(Key(incident=incident, step=step), "eu", SERVICE)

    def impatient(self) -> KubernetesPlatform:
        """Another client, that waits for no answer longer than it takes to see that none comes."""
        return connect(self.server.url, 0.3)

    def paused(self) -> list[bool]:
        return [one["spec"].get("paused", False) for one in self.cluster.list("deployments")]

    def wanted(self) -> dict[str, int]:
        return {one["metadata"]["name"]: one["spec"]["replicas"] for one in self.cluster.list("deployments")}

    def bounds(self, name: str) -> tuple[int, int]:
        spec = self.cluster.get("horizontalpodautoscalers", name)["spec"]
        return spec["minReplicas"], spec["maxReplicas"]

    def scaled_by_hand(self, name: str, replicas: int) -> None:
        self.cluster.patch_spec("deployments", name, replicas=replicas)


def connect(url: str, seconds: float = 5) -> KubernetesPlatform:
    return KubernetesPlatform(Driver(kind="kubernetes", url=url), seconds)


def template(release: str, image: str) -> Object:
    return deployment(SERVICE, release, image=image)["spec"]["template"]


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with api_server.running() as server:
        server.cluster.create("deployments", deployment(SERVICE, "v1", 3))
        server.cluster.create("deployments", deployment(SERVICE, "v2", 2))
        driver = connect(server.url)
        yield Place(server, driver)
        await driver.close()


# Somebody else writes at the same time


async def test_a_change_that_was_overtaken_starts_from_what_the_other_one_left(place: Place) -> None:
    place.server.before.append(lambda: place.scaled_by_hand("dispatch-v2", 7))
    receipt = await place.change("scale", {"replicas/v2": 1})
    assert (receipt.before, place.wanted()["dispatch-v2"]) == ({"replicas/v2": 7}, 1)
    assert (await place.undo("scale")).outcome is Outcome.RESTORED
    assert place.wanted()["dispatch-v2"] == 7


async def test_a_change_that_was_overtaken_is_refused_where_it_was_made_for_what_was_before(place: Place) -> None:
    expected = (await place.read()).generation
    place.server.before.append(lambda: place.scaled_by_hand("dispatch-v2", 7))
    with pytest.raises(Moved):
        await place.change("scale", {"replicas/v2": 1}, expected)
    assert place.wanted()["dispatch-v2"] == 7


async def test_a_status_that_moves_in_between_is_no_conflict(place: Place) -> None:
    expected = (await place.read()).generation

    def died() -> None:
        status = {"observedGeneration": expected, "replicas": 2, "readyReplicas": 1}
        place.cluster.update("deployments", "dispatch-v2", lambda one: {**one, "status": status}, status=True)

    place.server.before.append(died)
    assert (await place.change("scale", {"replicas/v2": 1}, expected)).outcome is Outcome.APPLIED
    assert len(place.server.written) == 2


async def test_of_two_clients_with_one_key_one_takes_effect(place: Place) -> None:
    clients = [connect(place.server.url) for _ in range(2)]
    key, fields = Key(incident=OURS, step="scale"), {"replicas/v1": 5, "replicas/v2": 0}
    receipts = await asyncio.gather(*(client.change(key, "eu", SERVICE, dict(fields), None) for client in clients))
    assert receipts[0] == receipts[1]
    assert (await place.read()).generation == receipts[0].generation
    for client in clients:
        await client.close()


# Calls that end in the middle


async def test_a_call_whose_answer_is_lost_is_unavailable_and_its_repeat_finds_the_receipt(place: Place) -> None:
    place.server.lost.append(True)
    client, key = place.impatient(), Key(incident=OURS, step="scale")
    with pytest.raises(Unavailable, match="did not answer"):
        await client.change(key, "eu", SERVICE, {"replicas/v2": 5}, None)
    receipt = await client.change(key, "eu", SERVICE, {"replicas/v2": 5}, None)
    assert (receipt.before, len(place.server.written)) == ({"replicas/v2": 2}, 1)
    await client.close()


@pytest.fixture
async def halfway(place: Place) -> Place:
    """A change of both releases whose caller was gone after the first."""
    place.server.lost.append(True)
    client = place.impatient()
    with pytest.raises(Unavailable):
        fields: Fields = {"replicas/v1": 5, "replicas/v2": 0}
        await client.change(Key(incident=OURS, step="both"), "eu", SERVICE, fields, None)
    await client.close()
    assert place.wanted() == {"dispatch-v1": 5, "dispatch-v2": 2}
    return place


async def test_a_repeat_finishes_what_was_begun_and_returns_the_first_receipt(halfway: Place) -> None:
    (begun,) = await halfway.driver.receipts(OURS)
    assert await halfway.change("both", {"replicas/v1": 5, "replicas/v2": 0}) == begun
    assert halfway.wanted() == {"dispatch-v1": 5, "dispatch-v2": 0}
    assert (await halfway.read()).generation == begun.generation


async def test_a_repeat_leaves_alone_what_somebody_else_has_scaled_since(halfway: Place) -> None:
    halfway.scaled_by_hand("dispatch-v2", 9)
    await halfway.change("both", {"replicas/v1": 5, "replicas/v2": 0})
    assert halfway.wanted() == {"dispatch-v1": 5, "dispatch-v2": 9}
    halfway.scaled_by_hand("dispatch-v2", 2)
    await halfway.change("both", {"replicas/v1": 5, "replicas/v2": 0})
    assert halfway.wanted() == {"dispatch-v1": 5, "dispatch-v2": 2}


async def test_what_was_begun_can_be_undone_and_is_not_finished_afterwards(halfway: Place) -> None:
    assert (await halfway.undo("both")).outcome is Outcome.RESTORED
    await halfway.change("both", {"replicas/v1": 5, "replicas/v2": 0})
    assert halfway.wanted() == {"dispatch-v1": 3, "dispatch-v2": 2}


async def test_what_was_begun_is_not_finished_once_its_incident_is_fenced(halfway: Place) -> None:
    (begun,) = await halfway.driver.receipts(OURS)
    await halfway.driver.fence(OURS)
    assert await halfway.change("both", {"replicas/v1": 5, "replicas/v2": 0}) == begun
    assert halfway.wanted() == {"dispatch-v1": 5, "dispatch-v2": 2}


async def test_an_undoing_that_ended_in_the_middle_counts_once_it_is_finished(place: Place) -> None:
    done = await place.change("both", {"replicas/v1": 5, "replicas/v2": 0})
    place.server.lost.append(True)
    client = place.impatient()
    with pytest.raises(Unavailable):
        await client.undo(Key(incident=OURS, step="both"), "eu", SERVICE)
    await client.close()
    assert await place.driver.receipts(OURS) == (done,)
    undone = await place.undo("both")
    assert await place.driver.receipts(OURS) == (done, undone)
    assert place.wanted() == {"dispatch-v1": 3, "dispatch-v2": 2}


async def test_an_undoing_that_is_finished_leaves_alone_what_somebody_else_has_scaled_since(place: Place) -> None:
    await place.change("both", {"replicas/v1": 5, "replicas/v2": 0})
    place.server.before += [lambda: None, lambda: place.scaled_by_hand("dispatch-v2", 9)]
    await place.undo("both")
    assert place.wanted() == {"dispatch-v1": 3, "dispatch-v2": 9}


async def test_undoing_leaves_what_another_incident_has_set_to_the_same_value(place: Place) -> None:
    await place.change("scale", {"replicas/v2": 5})
    await place.change("scale", {"replicas/v2": 5}, incident="01THEIRS")
    assert (await place.undo("scale")).outcome is Outcome.SUPERSEDED
    assert place.wanted()["dispatch-v2"] == 5


# Late calls


async def test_a_call_that_had_read_before_its_incident_was_fenced_loses(place: Place) -> None:
    place.server.before.append(lambda: place.driver.fence(OURS))
    with pytest.raises(Refused, match="ended from outside"):
        await place.change("late", {"replicas/v2": 0})
    assert place.wanted()["dispatch-v2"] == 2


async def test_a_call_that_had_read_before_it_was_taken_back_loses(place: Place) -> None:
    place.server.before.append(lambda: place.undo("late"))
    with pytest.raises(Refused, match="taken back before it came"):
        await place.change("late", {"replicas/v2": 0})
    assert place.wanted()["dispatch-v2"] == 2


async def test_a_fence_reaches_every_service_of_the_namespace_and_nothing_else(place: Place) -> None:
    place.cluster.create("deployments", deployment("billing", "v1", 1))
    stranger = deployment("stranger", "v1", 1)
    del stranger["metadata"]["labels"]["app.kubernetes.io/version"]
    place.cluster.create("deployments", stranger)
    await place.driver.fence(OURS)
    with pytest.raises(Refused, match="ended from outside"):
        await place.driver.change(Key(incident=OURS, step="one"), "eu", "billing", {"replicas/v1": 0}, None)
    assert "annotations" not in place.cluster.get("deployments", "stranger-v1")["metadata"]


async def test_the_fence_of_another_incident_puts_nobody_s_plan_out_of_date(place: Place) -> None:
    expected = (await place.read()).generation
    await place.driver.fence("01OTHER")
    assert (await place.read()).generation == expected
    receipt = await place.change("scale", {"replicas/v2": 4}, expected)
    await place.driver.fence(OURS)
    assert (await place.read()).generation == receipt.generation


# Autoscalers


async def test_an_autoscaler_is_pinned_and_let_go_by_undoing(place: Place) -> None:
    place.cluster.create("horizontalpodautoscalers", autoscaler("dispatch-v2", 1, 10))
    await place.change("scale", {"replicas/v2": 6})
    place.cluster.autoscale("dispatch-v2", recommended=2)
    assert (place.wanted()["dispatch-v2"], place.bounds("dispatch-v2")) == (6, (6, 6))
    assert (await place.undo("scale")).outcome is Outcome.RESTORED
    assert (place.wanted()["dispatch-v2"], place.bounds("dispatch-v2")) == (2, (1, 10))


async def test_an_autoscaler_of_a_release_without_replicas_is_left_as_it_is(place: Place) -> None:
    place.cluster.create("horizontalpodautoscalers", autoscaler("dispatch-v2", 1, 10))
    await place.change("scale", {"replicas/v2": 0})
    place.cluster.autoscale("dispatch-v2", recommended=2)
    assert (place.wanted()["dispatch-v2"], place.bounds("dispatch-v2")) == (0, (1, 10))


async def test_an_autoscaler_that_somebody_else_has_set_since_is_not_overwritten(place: Place) -> None:
    place.cluster.create("horizontalpodautoscalers", autoscaler("dispatch-v2", 1, 10))
    await place.change("scale", {"replicas/v2": 6})
    place.cluster.patch_spec("horizontalpodautoscalers", "dispatch-v2", maxReplicas=20)
    assert (await place.undo("scale")).outcome is Outcome.SUPERSEDED
    assert (place.wanted()["dispatch-v2"], place.bounds("dispatch-v2")) == (6, (6, 20))


async def test_an_autoscaler_that_another_object_keeps_refuses_the_change(place: Place) -> None:
    owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "by-queue", "uid": "7"}
    place.cluster.create("horizontalpodautoscalers", autoscaler("dispatch-v2", 1, 10, ownerReferences=[owner]))
    with pytest.raises(Refused, match="ScaledObject by-queue"):
        await place.change("scale", {"replicas/v2": 6})
    assert place.server.written == []


async def test_an_autoscaler_that_a_reconciler_keeps_refuses_the_change_and_names_its_fields(place: Place) -> None:
    place.cluster.create("horizontalpodautoscalers", autoscaler("dispatch-v2", 1, 10, **ARGO))
    with pytest.raises(Refused, match="ignore the differences of /spec/minReplicas and /spec/maxReplicas"):
        await place.change("scale", {"replicas/v2": 6})
    assert place.server.written == []


# GitOps

FLUX = {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}
HELM = {"labels": {"helm.toolkit.fluxcd.io/name": "apps"}}
ARGO = {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:default/dispatch-v3"}}


@pytest.mark.parametrize(
    ("kept", "by"), [(FLUX, "Flux.*Kustomization apps"), (HELM, "Flux.*HelmRelease apps"), (ARGO, "Argo CD.*shop")]
)
async def test_what_a_reconciler_would_take_back_is_refused_before_anything_is_changed(
    place: Place, kept: dict[str, Any], by: str
) -> None:
    place.cluster.create("deployments", deployment(SERVICE, "v3", 1, **kept))
    with pytest.raises(Refused, match=by):
        await place.change("both", {"replicas/v1": 0, "replicas/v3": 3})
    assert place.server.written == []
    assert (await place.change("other", {"replicas/v1": 0})).outcome is Outcome.APPLIED


@pytest.mark.parametrize(
    ("kept", "switch"),
    [
        (FLUX, "kustomize.toolkit.fluxcd.io/reconcile=disabled"),
        (HELM, "helm.toolkit.fluxcd.io/driftDetection=disabled"),
        (ARGO, "sternway/gitops=ignored"),
    ],
)
async def test_what_is_exempt_from_reconciling_is_changed(place: Place, kept: dict[str, Any], switch: str) -> None:
    name, _, value = switch.partition("=")
    exempt = {**kept, "annotations": {**kept.get("annotations", {}), name: value}}
    place.cluster.create("deployments", deployment(SERVICE, "v3", 1, **exempt))
    assert (await place.change("scale", {"replicas/v3": 3})).outcome is Outcome.APPLIED


# Freezing


async def test_a_frozen_service_rolls_nothing_out_and_is_scaled_all_the_same(place: Place) -> None:
    await place.change("freeze", {"frozen": True})
    before = (await place.read()).deployments
    place.cluster.patch_spec("deployments", "dispatch-v2", template=template("v2", image="another"))
    await place.change("scale", {"replicas/v2": 4})
    workload = await place.read()
    assert (workload.state["frozen"], workload.replicas["v2"], workload.deployments) == (True, 4, before)


async def test_undoing_a_freeze_leaves_paused_what_was_paused_before(place: Place) -> None:
    place.cluster.patch_spec("deployments", "dispatch-v1", paused=True)
    receipt = await place.change("freeze", {"frozen": True})
    assert (receipt.before, receipt.generation) == ({"frozen": None}, (await place.read()).generation)
    assert (await place.undo("freeze")).outcome is Outcome.RESTORED
    assert place.paused() == [True, False]


async def test_an_undoing_that_somebody_has_overtaken_at_one_object_does_not_say_that_all_is_restored(
    place: Place,
) -> None:
    await place.change("freeze", {"frozen": True})
    place.server.before += [lambda: None, lambda: place.cluster.patch_spec("deployments", "dispatch-v2", paused=False)]
    assert (await place.undo("freeze")).outcome is Outcome.SUPERSEDED
    assert [one.outcome for one in await place.driver.receipts(OURS)] == [Outcome.APPLIED, Outcome.SUPERSEDED]
    assert (await place.undo("freeze")).outcome is Outcome.SUPERSEDED, "as often as it is asked"


async def test_a_thaw_rolls_out_nothing_that_somebody_had_paused_before_the_freeze(place: Place) -> None:
    place.cluster.patch_spec("deployments", "dispatch-v1", paused=True)
    place.cluster.patch_spec("deployments", "dispatch-v1", template=template("v1", image="held back"))
    rolled_out = place.cluster.list("replicasets")
    await place.change("freeze", {"frozen": True})
    assert (await place.change("thaw", {"frozen": None})).outcome is Outcome.APPLIED
    assert place.paused() == [True, False]
    assert place.cluster.list("replicasets") == rolled_out


async def test_a_freeze_that_was_found_by_a_second_attempt_is_thawed(place: Place) -> None:
    await place.change("freeze", {"frozen": True})
    await place.change("freeze", {"frozen": True}, attempt=2)
    await place.change("thaw", {"frozen": None}, attempt=2)
    assert place.paused() == [False, False]


async def test_what_a_paused_deployment_holds_back_is_rolled_out_when_somebody_resumes_it(place: Place) -> None:
    place.cluster.patch_spec("deployments", "dispatch-v1", paused=True)
    place.cluster.patch_spec("deployments", "dispatch-v1", template=template("v1", image="held back"))
    before = len(place.cluster.list("replicasets"))
    place.cluster.patch_spec("deployments", "dispatch-v1", paused=False)
    assert len(place.cluster.list("replicasets")) == before + 1


async def test_a_freeze_that_outlived_its_incident_is_lifted_alone(place: Place) -> None:
    await place.change("dispatch.freeze", {"frozen": True})
    await place.change("dispatch.retire", {"replicas/v2": 0})
    cluster = PlatformPlane("cluster", Driver(kind="kubernetes", url=place.server.url), place.driver)
    undoing = Undoing(OURS, SHARED, [cluster], None, "dispatch.freeze")
    await undoing.look()
    assert [taken.came async for taken in undoing.take_back()] == ["restored"]
    assert (await place.read()).state == {"replicas/v1": 3, "replicas/v2": 0}
    assert (await place.change("dispatch.scale", {"replicas/v1": 4})).outcome is Outcome.APPLIED, "it is not shut out"


# What is read


async def test_a_status_that_is_of_an_older_wish_says_nothing_of_what_is_ready(place: Place) -> None:
    async def all_ready() -> bool:
        return (await place.read()).ready == {"v1": 3, "v2": 2}

    await until(all_ready, 5, "every replica to be ready")
    place.cluster.controller = "away"
    await place.change("scale", {"replicas/v2": 0})
    with pytest.raises(Unavailable, match=r"has not looked at the last change of Deployment/dispatch-v2"):
        await place.read()


async def test_a_read_waits_for_the_controller(place: Place) -> None:
    place.cluster.controller = "slow"
    await place.change("scale", {"replicas/v2": 0})
    assert (await place.read()).ready["v2"] == 0


async def test_deployments_are_told_newest_first_with_every_rollout_of_a_template(place: Place) -> None:
    place.cluster.patch_spec("deployments", "dispatch-v1", template=template("v1", image="another"))
    told = (await place.read()).deployments
    assert [deployed.release for deployed in told] == ["v1", "v2", "v1"]
    assert sorted(told, key=lambda deployed: deployed.at, reverse=True) == list(told)


# Restarts

NOW = "2026-01-31T12:00:00+00:00"


def restarted_at(place: Place, name: str) -> str | None:
    metadata = place.cluster.get("deployments", name)["spec"]["template"]["metadata"]
    return metadata.get("annotations", {}).get("kubectl.kubernetes.io/restartedAt")


async def test_a_restart_is_that_of_kubectl(place: Place) -> None:
    await place.change("restart", {"restarted/v2": NOW})
    assert (restarted_at(place, "dispatch-v1"), restarted_at(place, "dispatch-v2")) == (None, NOW)


async def test_a_restart_leaves_the_other_annotations_of_the_template(place: Place) -> None:
    annotated = {**template("v1", "one"), "metadata": {**template("v1", "one")["metadata"], "annotations": {"a": "b"}}}
    place.cluster.patch_spec("deployments", "dispatch-v1", template=annotated)
    await place.change("restart", {"restarted/v1": NOW})
    kept = place.cluster.get("deployments", "dispatch-v1")["spec"]["template"]["metadata"]["annotations"]
    assert kept == {"a": "b", "kubectl.kubernetes.io/restartedAt": NOW}


async def test_undoing_a_restart_restarts_nothing(place: Place) -> None:
    await place.change("restart", {"restarted/v2": NOW})
    rolled_out = place.cluster.list("replicasets")
    undone = await place.undo("restart")
    assert (undone.outcome, undone.after) == (Outcome.RESTORED, {"restarted/v2": NOW})
    assert place.cluster.list("replicasets") == rolled_out
    assert await place.undo("restart") == undone


async def test_a_restart_is_no_deployment(place: Place) -> None:
    before = (await place.read()).deployments
    await place.change("restart", {"restarted/v2": NOW})
    assert len(place.cluster.list("replicasets")) == 3
    assert (await place.read()).deployments == before


async def test_what_is_paused_is_not_restarted(place: Place) -> None:
    await place.change("freeze", {"frozen": True})
    with pytest.raises(Refused, match="is paused and rolls nothing out"):
        await place.change("restart", {"restarted/v2": NOW})
    assert restarted_at(place, "dispatch-v2") is None


async def test_releases_that_are_replica_sets_of_one_deployment_are_refused_with_the_cure(place: Place) -> None:
    place.cluster.create("deployments", deployment("other", "v1", 1))
    place.cluster.patch_spec("deployments", "other-v1", template=deployment("other", "v2")["spec"]["template"])
    with pytest.raises(Refused, match=r"ReplicaSets of one Deployment.*have one Deployment for each release"):
        await place.driver.read("eu", "other")


async def test_a_deployment_that_names_no_release_is_refused_with_the_cure(place: Place) -> None:
    one = deployment("other", "v1", 1)
    del one["metadata"]["labels"]["app.kubernetes.io/version"]
    place.cluster.create("deployments", one)
    with pytest.raises(Refused, match=r"no label app.kubernetes.io/version.*have one Deployment for each release"):
        await place.driver.read("eu", "other")


async def test_two_deployments_of_one_release_are_refused(place: Place) -> None:
    worker = deployment("other", "v1", 1)
    worker["metadata"]["name"] = "other-worker"
    for one in (worker, deployment("other", "v1", 1)):
        place.cluster.create("deployments", one)
    with pytest.raises(Refused, match="other-v1 and other-worker are both other v1"):
        await place.driver.read("eu", "other")


# What the API server says


async def test_it_needs_what_the_role_allows_and_no_more(place: Place) -> None:
    place.cluster.create("horizontalpodautoscalers", autoscaler("dispatch-v2", 1, 10))
    await place.read()
    await place.change("scale", {"replicas/v2": 6})
    for kept in ("dispatch-v1", "dispatch-v2"):
        place.server.before.append(lambda name=kept: place.scaled_by_hand(name, 4))
        await place.change(f"overtaken-{kept}", {f"replicas/{kept[-2:]}": 5})
    place.server.before += [
        lambda: None,
        lambda: place.cluster.patch_spec("horizontalpodautoscalers", "dispatch-v2", maxReplicas=30),
    ]
    await place.change("autoscaler-overtaken", {"replicas/v2": 7})
    await place.driver.fence(OURS)
    await place.driver.receipts(OURS)
    assert place.server.asked == allowed("sternway")


async def test_whoever_only_looks_needs_what_the_reader_s_role_allows_and_no_more(place: Place) -> None:
    await place.read()
    await place.driver.receipts(OURS)
    assert place.server.asked == allowed("sternway-reader")


def allowed(name: str) -> set[tuple[str, str, str]]:
    """By the Role of that name."""
    kept = yaml.safe_load_all(ACCESS.read_text())
    (role,) = (one for one in kept if (one["kind"], one["metadata"]["name"]) == ("Role", name))
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize(
    ("code", "error"), [(403, Refused), (413, Refused), (422, Refused), (408, Unavailable), (429, Unavailable)]
)
async def test_a_write_that_is_turned_away_says_whether_it_may_be_repeated(
    place: Place, code: int, error: type[Exception]
) -> None:
    place.server.refused["PATCH"] = code
    with pytest.raises(error, match=f"{code}|as the test wishes"):
        await place.change("scale", {"replicas/v2": 0})


async def test_a_token_is_read_from_its_file_and_again_when_it_was_renewed(place: Place, tmp_path: Path) -> None:
    place.server.token, file = "renewed", tmp_path / "token"
    file.write_text("expired")
    client = KubernetesPlatform(Driver(kind="kubernetes", url=place.server.url, token_file=str(file)))
    with pytest.raises(Refused, match="401"):
        await client.read("eu", SERVICE)
    file.write_text("renewed")
    assert (await client.read("eu", SERVICE)).replicas == {"v1": 3, "v2": 2}
    await client.close()


async def test_without_a_file_no_token_is_sent(place: Place) -> None:
    place.server.token = "any"
    with pytest.raises(Refused, match=r"401.*the Role of deploy/kubernetes/access.yaml"):
        await place.read()


@pytest.mark.parametrize("missing", ["token_file", "ca_file"])
async def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path, missing: str) -> None:
    nowhere = str(tmp_path / "nowhere")
    client = KubernetesPlatform(Driver.model_validate({"kind": "kubernetes", "url": "https://api", missing: nowhere}))
    with pytest.raises(Refused, match=f"{missing} {nowhere}"):
        await client.read("eu", SERVICE)
    await client.close()


def test_a_process_whose_catalog_names_no_cluster_does_not_load_the_client() -> None:
    asks = "import sys, activities.directory; sys.exit('lightkube' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asks], cwd=ACCESS.parents[2]).returncode == 0


async def test_receipts_that_somebody_has_spoilt_refuse_every_change(place: Place) -> None:
    meta = {"annotations": {"sternway/receipts": "?"}}
    place.cluster.update("deployments", "dispatch-v1", lambda one: {**one, "metadata": {**one["metadata"], **meta}})
    with pytest.raises(Refused, match="sternway/receipts of Deployment/dispatch-v1 cannot be read"):
        await place.change("scale", {"replicas/v2": 0})
