"""What is particular to Kubernetes: others write the same objects, calls get lost, and somebody else scales too."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from activities.driver import Moved, Refused, Unavailable
from activities.platform.drivers.kubernetes import KubernetesPlatform, platform
from activities.platform.drivers.kubernetes.ledger import ANNOTATION, Ledger
from models.receipt import Outcome
from tests.kubernetes.api import Fault, KubernetesApi, Request
from tests.kubernetes.kinds import AUTOSCALERS, DEPLOYMENTS, REPLICA_SETS
from tests.kubernetes.objects import autoscaler, deployment
from tests.kubernetes.patches import merge_patch
from tests.kubernetes.says import Json
from tests.platform.clusters import INCIDENT, REGION, SERVICE, Shop, key
from tests.waiting import until

ACCESS = Path(__file__).parents[2] / "deploy/kubernetes/access.yaml"
FLUX = {"kustomize.toolkit.fluxcd.io/name": "shop", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
CAREFUL = {"scaleDown": {"stabilizationWindowSeconds": 60, "selectPolicy": "Min"}}


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    with KubernetesApi() as api:
        shop = Shop(api)
        yield shop
        await shop.driver.close()


async def test_the_receipt_is_in_the_object_that_it_is_about_and_nowhere_else(shop: Shop) -> None:
    receipt = await shop.change("scale", {"replicas/v1": 2})
    changed = shop.get("v1")
    assert changed["spec"]["replicas"] == 2
    assert Ledger.model_validate_json(changed["metadata"]["annotations"][ANNOTATION]).receipts == (receipt,)
    assert ANNOTATION not in (shop.get("v2")["metadata"].get("annotations") or {})


async def test_the_change_and_its_receipt_are_one_write(shop: Shop) -> None:
    shop.on_patch(lambda _, number: None if number == 1 else "500")
    await shop.change("scale", {"replicas/v1": 2})
    assert shop.get("v1")["metadata"]["generation"] == 2


async def test_what_becomes_ready_is_counted_and_no_more(shop: Shop) -> None:
    shop.api.controller.set(most_ready=1)
    await shop.change("scale", {"replicas/v1": 3})

    async def one_ready() -> bool:
        return (await shop.read()).ready["v1"] == 1

    await until(one_ready, 5, "one ready replica")
    assert (await shop.read()).replicas == {"v1": 3, "v2": 2}


async def test_a_status_from_before_the_change_says_nothing_of_what_is_ready(shop: Shop) -> None:
    await shop.read()
    shop.api.controller.set(asleep=True)
    await shop.change("scale", {"replicas/v2": 0})
    with pytest.raises(Unavailable, match="has not looked at the last change of Deployment payments-v2"):
        await shop.read()
    shop.api.controller.set()
    assert (await shop.read()).ready["v2"] == 0


async def test_a_call_that_took_effect_and_lost_its_answer_finds_its_receipt(shop: Shop) -> None:
    start = (await shop.read()).generation
    shop.on_patch(lambda _, number: "lost after effect" if number == 1 else None)
    with pytest.raises(Unavailable, match="did not answer"):
        await shop.change("scale", {"replicas/v1": 2}, start)
    receipt = await shop.change("scale", {"replicas/v1": 2}, start)
    assert (receipt.before, receipt.outcome) == ({"replicas/v1": 0}, Outcome.APPLIED)
    assert (await shop.read()).generation == receipt.generation


@pytest.mark.parametrize("fault", ["lost", "500", "429"])
async def test_a_call_of_which_nobody_knows_can_be_made_again(shop: Shop, fault: Fault) -> None:
    shop.on_patch(lambda _, number: fault if number == 1 else None)
    with pytest.raises(Unavailable):
        await shop.change("scale", {"replicas/v1": 2})
    assert (await shop.undo("other")).outcome is Outcome.NEVER_HAPPENED
    assert (await shop.change("scale", {"replicas/v1": 2})).outcome is Outcome.APPLIED


async def test_a_change_gets_in_between_the_writes_of_others(shop: Shop) -> None:
    def be_faster(_: Request, number: int) -> None:
        if number <= 4:
            shop.annotate("v1", note=str(number))

    shop.on_patch(be_faster)
    receipt = await shop.change("scale", {"replicas/v1": 2}, (await shop.read()).generation)
    assert (receipt.generation, shop.get("v1")["spec"]["replicas"]) == ((await shop.read()).generation, 2)
    assert shop.get("v1")["metadata"]["annotations"]["note"] == "4"


async def test_who_never_gets_in_between_the_writes_of_others_says_so(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "PATIENCE", 0.3)
    shop.on_patch(lambda _, number: shop.annotate("v1", note=str(number)))
    with pytest.raises(Unavailable, match="others wrote Deployment payments-v1 again and again"):
        await shop.change("scale", {"replicas/v1": 2})
    assert shop.get("v1")["spec"]["replicas"] == 0


async def test_somebody_who_scales_between_the_read_and_the_write_is_not_overwritten(shop: Shop) -> None:
    def scale(_: Request, number: int) -> None:
        if number == 1:
            shop.edit("v1", lambda obj: obj["spec"].update(replicas=5))

    start = (await shop.read()).generation
    shop.on_patch(scale)
    with pytest.raises(Moved) as moved:
        await shop.change("scale", {"replicas/v1": 2}, start)
    assert moved.value.conflict.state["replicas/v1"] == 5
    assert shop.get("v1")["spec"]["replicas"] == 5


async def test_of_two_clients_that_expect_the_same_one_is_told_that_it_moved(shop: Shop) -> None:
    start = (await shop.read()).generation
    other = KubernetesPlatform(shop.at())
    calls = [
        shop.driver.change(key("ours"), REGION, SERVICE, {"replicas/v1": 2}, start),
        other.change(key("theirs"), REGION, SERVICE, {"replicas/v1": 3}, start),
    ]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    await other.close()
    (won,) = [answer for answer in answers if not isinstance(answer, BaseException)]
    (lost,) = [answer for answer in answers if isinstance(answer, Moved)]
    assert shop.get("v1")["spec"]["replicas"] == won.after["replicas/v1"]
    assert lost.conflict.generation == won.generation


async def test_a_deployment_that_was_made_again_is_another_generation(shop: Shop) -> None:
    start = (await shop.read()).generation
    shop.api.store.delete(DEPLOYMENTS, shop.namespace, "payments-v1")
    shop.create(DEPLOYMENTS, deployment(SERVICE, "v1", 0))
    assert (await shop.read()).generation != start


async def test_a_fence_wins_over_a_change_that_is_on_its_way(shop: Shop) -> None:
    """The late call has read everything, and stands still before its write."""
    other, loop = KubernetesPlatform(shop.at()), asyncio.get_running_loop()

    def fence_first(_: Request, number: int) -> None:
        if number == 1:
            shop.api.on_request = lambda _: None
            asyncio.run_coroutine_threadsafe(other.fence(INCIDENT), loop).result(10)

    shop.on_patch(fence_first)
    with pytest.raises(Refused, match="ended from outside"):
        await shop.change("late", {"replicas/v1": 2})
    assert shop.get("v1")["spec"]["replicas"] == 0
    await other.close()


async def test_an_undoing_wins_over_a_change_that_is_on_its_way(shop: Shop) -> None:
    other, loop = KubernetesPlatform(shop.at()), asyncio.get_running_loop()
    outcomes: list[Outcome] = []

    def undo_first(_: Request, number: int) -> None:
        if number == 1:
            shop.api.on_request = lambda _: None
            undo = other.undo(key("late"), REGION, SERVICE)
            outcomes.append(asyncio.run_coroutine_threadsafe(undo, loop).result(10).outcome)

    shop.on_patch(undo_first)
    with pytest.raises(Refused, match="taken back before it came"):
        await shop.change("late", {"replicas/v1": 2})
    assert outcomes == [Outcome.NEVER_HAPPENED]
    assert shop.get("v1")["spec"]["replicas"] == 0
    await other.close()


async def test_a_change_that_lands_while_it_is_taken_back_is_undone(shop: Shop) -> None:
    """It has read everything before, and comes to its object when the undoing is already written to the other one."""
    changed, other = shop.api.store.changed, KubernetesPlatform(shop.at())

    def one_by_one(request: Request, _: int) -> None:
        late = any(operation["path"] == "/spec/replicas" for operation in request.body)
        with changed:
            if late:
                assert changed.wait_for(lambda: ANNOTATION in (shop.get("v2")["metadata"].get("annotations") or {}), 10)
            elif request.name == "payments-v1":
                assert changed.wait_for(lambda: shop.get("v1")["spec"]["replicas"] == 2, 10)

    shop.on_patch(one_by_one)
    late = asyncio.create_task(other.change(key("late"), REGION, SERVICE, {"replicas/v1": 2}, None))
    await asyncio.to_thread(shop.patched.wait, 10)
    undone = await shop.undo("late")
    assert (undone.outcome, (await late).outcome) == (Outcome.RESTORED, Outcome.APPLIED)
    assert await shop.undo("late") == undone
    assert shop.get("v1")["spec"]["replicas"] == 0
    assert await shop.driver.receipts(INCIDENT) == (await late, undone)
    await other.close()


async def test_one_change_is_one_object(shop: Shop) -> None:
    with pytest.raises(Refused, match="has no write over two objects"):
        await shop.change("both", {"replicas/v1": 2, "replicas/v2": 0})


async def test_receipts_keep_their_order_where_a_clock_goes_back(shop: Shop) -> None:
    first = await shop.change("one", {"replicas/v1": 2})
    ahead = first.at.replace(year=first.at.year + 1)
    book = json.loads(shop.get("v1")["metadata"]["annotations"][ANNOTATION])
    book["receipts"][0]["at"] = ahead.isoformat()
    shop.annotate("v1", **{ANNOTATION: json.dumps(book)})
    second = await shop.change("two", {"replicas/v2": 0})
    assert [receipt.key for receipt in await shop.driver.receipts(INCIDENT)] == [first.key, second.key]


async def test_an_autoscaler_is_held_before_its_release_is_scaled_and_is_let_go_again(shop: Shop) -> None:
    shop.create(AUTOSCALERS, autoscaler("payments-v1", 2, 6, CAREFUL))
    before = shop.behavior("v1")
    assert (await shop.read()).state["autoscaled/v1"] is True
    with pytest.raises(Refused, match=r"HorizontalPodAutoscaler payments-v1 scales .* make autoscaled/v1 false first"):
        await shop.change("scale", {"replicas/v1": 3})

    held = await shop.change("hold", {"autoscaled/v1": False}, (await shop.read()).generation)
    assert (await shop.read()).generation == held.generation
    now = shop.behavior("v1") or {}
    assert {way: rules["selectPolicy"] for way, rules in now.items()} == {
        "scaleUp": "Disabled",
        "scaleDown": "Disabled",
    }
    await shop.change("scale", {"replicas/v1": 3}, held.generation)

    assert (await shop.undo("scale")).outcome is Outcome.RESTORED
    assert (await shop.undo("hold")).outcome is Outcome.RESTORED
    assert shop.behavior("v1") == before
    assert (await shop.read()).state["autoscaled/v1"] is True


async def test_an_autoscaler_without_a_behaviour_has_none_again(shop: Shop) -> None:
    shop.create(AUTOSCALERS, autoscaler("payments-v1"))
    await shop.change("hold", {"autoscaled/v1": False})
    await shop.change("let go", {"autoscaled/v1": True})
    assert shop.behavior("v1") is None


async def test_an_autoscaler_that_somebody_let_go_meanwhile_is_theirs(shop: Shop) -> None:
    shop.create(AUTOSCALERS, autoscaler("payments-v1"))
    await shop.change("hold", {"autoscaled/v1": False})
    shop.edit("v1", lambda obj: obj["spec"].update(behavior=CAREFUL), AUTOSCALERS)
    theirs = shop.behavior("v1")
    assert (await shop.undo("hold")).outcome is Outcome.SUPERSEDED
    assert shop.behavior("v1") == theirs


async def test_a_number_that_the_autoscaler_would_take_back_is_refused(shop: Shop) -> None:
    shop.create(AUTOSCALERS, autoscaler("payments-v1", 2, 6))
    await shop.change("hold", {"autoscaled/v1": False})
    for replicas in (1, 7):
        with pytest.raises(Refused, match="at 2 to 6 replicas, also while it is held"):
            await shop.change(f"to-{replicas}", {"replicas/v1": replicas})
    await shop.change("to-6", {"replicas/v1": 6})


async def test_a_release_that_is_scaled_to_nothing_needs_no_hold(shop: Shop) -> None:
    shop.create(AUTOSCALERS, autoscaler("payments-v2", 2, 6))
    assert (await shop.change("retire", {"replicas/v2": 0})).outcome is Outcome.APPLIED


async def test_flux_is_held_off_and_let_in_again(shop: Shop) -> None:
    shop.edit("v1", lambda obj: obj["metadata"]["labels"].update(FLUX))
    with pytest.raises(Refused, match="Flux sets Deployment payments-v1 back; make synced/v1 false first"):
        await shop.change("scale", {"replicas/v1": 2})
    held = await shop.change("hold", {"synced/v1": False}, (await shop.read()).generation)
    annotations = shop.get("v1")["metadata"]["annotations"]
    assert annotations["kustomize.toolkit.fluxcd.io/reconcile"] == "disabled"
    await shop.change("scale", {"replicas/v1": 2}, held.generation)
    await shop.undo("scale")
    assert (await shop.undo("hold")).outcome is Outcome.RESTORED
    assert "kustomize.toolkit.fluxcd.io/reconcile" not in shop.get("v1")["metadata"]["annotations"]


KEPT_BY_OTHERS = {
    "Argo CD": {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/payments-v1"}},
    "Flux .HelmRelease": {"labels": {"helm.toolkit.fluxcd.io/name": "shop"}},
    "its owner, Rollout payments,": {
        "ownerReferences": [{"kind": "Rollout", "name": "payments", "uid": "1", "controller": True}]
    },
}


@pytest.mark.parametrize("who", KEPT_BY_OTHERS)
async def test_who_cannot_be_held_off_is_named_before_anything_is_changed(shop: Shop, who: str) -> None:
    shop.edit("v1", lambda obj: obj.update(merge_patch(obj, {"metadata": KEPT_BY_OTHERS[who]})))
    for step, fields in (("scale", {"replicas/v1": 2}), ("hold", {"synced/v1": False})):
        with pytest.raises(Refused, match=f"{who}.* sets Deployment payments-v1 back.* sternway/replicas: free"):
            await shop.change(step, dict(fields))
    assert shop.get("v1")["spec"]["replicas"] == 0
    shop.annotate("v1", **{"sternway/replicas": "free"})
    assert "synced/v1" not in (await shop.read()).state
    assert (await shop.change("scale", {"replicas/v1": 2})).outcome is Outcome.APPLIED


async def test_an_autoscaler_that_keda_keeps_is_refused(shop: Shop) -> None:
    shop.create(AUTOSCALERS, autoscaler("payments-v1"))
    owner = {"kind": "ScaledObject", "name": "payments", "uid": "1", "controller": True}
    shop.edit("v1", lambda obj: obj["metadata"].update(ownerReferences=[owner]), AUTOSCALERS)
    with pytest.raises(Refused, match="its owner, ScaledObject payments, sets HorizontalPodAutoscaler"):
        await shop.change("hold", {"autoscaled/v1": False})


async def test_an_earlier_revision_of_a_deployment_cannot_serve_beside_it(shop: Shop) -> None:
    def deploy(obj: Json) -> None:
        for meta in (obj["metadata"], obj["spec"]["template"]["metadata"]):
            meta["labels"]["app.kubernetes.io/version"] = "v3"

    await until(lambda: len(shop.api.store.list(REPLICA_SETS, shop.namespace)) == 2, 5, "first revisions")
    shop.edit("v2", deploy)
    await until(lambda: len(shop.api.store.list(REPLICA_SETS, shop.namespace)) == 3, 5, "the next revision")
    workload = await shop.read()
    assert {event.release for event in workload.deployments} == {"v1", "v2", "v3"}
    with pytest.raises(Refused, match=r"v2 is an earlier revision of Deployment payments-v2 .* beside v3"):
        await shop.change("scale", {"replicas/v2": 2})
    assert (await shop.change("down", {"replicas/v3": 1})).before == {"replicas/v3": 2}


async def test_what_is_not_clear_is_refused(shop: Shop) -> None:
    shop.create(DEPLOYMENTS, deployment(SERVICE, "v1", name="payments-again"))
    with pytest.raises(Refused, match="are the same release v1 of payments"):
        await shop.read()
    shop.api.store.delete(DEPLOYMENTS, shop.namespace, "payments-again")
    shop.edit("v1", lambda obj: obj["metadata"]["labels"].pop("app.kubernetes.io/version"))
    with pytest.raises(Refused, match=r"needs the label app\.kubernetes\.io/version"):
        await shop.read()


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")
async def test_receipts_survive_a_rollout_undo(shop: Shop, tmp_path: Path) -> None:
    """kubectl replaces the annotations by those of the revision that it goes back to."""

    async def kubectl(*arguments: str) -> None:
        at = ["kubectl", "--server", shop.api.url, "-n", shop.namespace]
        run = asyncio.to_thread(
            subprocess.run, [*at, *arguments], check=True, capture_output=True, timeout=60, env={"HOME": str(tmp_path)}
        )
        await run

    await kubectl("rollout", "status", "deploy/payments-v2")
    await kubectl("set", "image", "deploy/payments-v2", "service=example.test/payments:other")
    await kubectl("rollout", "status", "deploy/payments-v2")
    done = await shop.change("retire", {"replicas/v2": 0})
    await shop.read()  # the controller has looked at it
    await kubectl("rollout", "undo", "deploy/payments-v2")
    assert ANNOTATION not in (shop.get("v2")["metadata"].get("annotations") or {})
    assert await shop.driver.receipts(INCIDENT) == (done,)
    assert await shop.change("retire", {"replicas/v2": 0}) == done
    assert (await shop.undo("retire")).outcome is Outcome.RESTORED
    assert shop.get("v2")["spec"]["replicas"] == 2


async def test_a_ledger_that_was_spoilt_is_refused_with_its_cure(shop: Shop) -> None:
    shop.annotate("v1", **{ANNOTATION: "oops"})
    with pytest.raises(Refused, match="annotation sternway/ledger of Deployment payments-v1 cannot be read"):
        await shop.change("scale", {"replicas/v1": 2})


async def test_what_the_server_does_not_take_is_refused_and_not_tried_again(shop: Shop) -> None:
    shop.annotate("v1", somebodys="x" * 262_000)
    with pytest.raises(Refused, match=r"422 .*Too long"):
        await shop.change("scale", {"replicas/v1": 2})


def test_a_process_whose_catalog_names_no_cluster_does_not_load_the_client() -> None:
    asks = "import sys, activities.directory; sys.exit('lightkube' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asks], cwd=ACCESS.parents[2]).returncode == 0


def kubeconfig(shop: Shop, path: Path, token: str, server: str | None = None) -> str:
    config = {
        "clusters": [{"name": "here", "cluster": {"server": server or shop.api.url}}],
        "users": [{"name": "sternway", "user": {"token": token}}],
        "contexts": [{"name": "any", "context": {"cluster": "here", "user": "sternway"}}],
        "current-context": "",
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


async def test_the_role_that_we_ask_for_is_enough(shop: Shop, tmp_path: Path) -> None:
    _, role, _ = yaml.safe_load_all(ACCESS.read_text())
    shop.api.rules["ours"] = role["rules"]
    shop.create(AUTOSCALERS, autoscaler("payments-v1"))
    driver = KubernetesPlatform(shop.at(kubeconfig(shop, tmp_path / "config", "ours")))
    await driver.read(REGION, SERVICE)
    shop.on_patch(lambda _, number: shop.annotate("v1", note="first") if number == 2 else None)
    await driver.change(key("hold"), REGION, SERVICE, {"autoscaled/v1": False}, None)
    await driver.change(key("scale"), REGION, SERVICE, {"replicas/v1": 2}, None)
    await driver.undo(key("scale"), REGION, SERVICE)
    await driver.fence(INCIDENT)
    assert len(await driver.receipts(INCIDENT)) == 3
    await driver.close()


@pytest.mark.parametrize(("token", "reason"), [("nobody's", "401"), ("reader", "cannot patch")])
async def test_missing_rights_are_refused_with_their_cure(shop: Shop, tmp_path: Path, token: str, reason: str) -> None:
    shop.api.rules["reader"] = [{"apiGroups": ["apps", "autoscaling"], "resources": EVERY, "verbs": ["list"]}]
    driver = KubernetesPlatform(shop.at(kubeconfig(shop, tmp_path / "config", token)))
    with pytest.raises(Refused, match=f"{reason}.*the Role of deploy/kubernetes"):
        await driver.change(key("scale"), REGION, SERVICE, {"replicas/v1": 2}, None)
    await driver.close()


EVERY = ["deployments", "replicasets", "horizontalpodautoscalers"]


async def test_a_kubeconfig_that_does_not_fit_is_refused(shop: Shop, tmp_path: Path) -> None:
    other = kubeconfig(shop, tmp_path / "other", "ours", server="https://elsewhere.test")
    for path, reason in ((other, "no context with a user"), (str(tmp_path / "missing"), "not found")):
        with pytest.raises(Refused, match=reason):
            await KubernetesPlatform(shop.at(path)).read(REGION, SERVICE)
