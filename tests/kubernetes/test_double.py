"""The double against the real kubectl: what that does on a cluster, and what it is refused there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes.api import KubernetesApi
from tests.kubernetes.kinds import AUTOSCALERS, DEPLOYMENTS, REPLICA_SETS
from tests.kubernetes.objects import autoscaler, deployment
from tests.waiting import until

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")

SHOP = "shop"


class Kubectl:
    def __init__(self, api: KubernetesApi, home: Path) -> None:
        self.api, self._home = api, home

    def run(self, *arguments: str, stdin: str | None = None, namespace: str = SHOP) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["kubectl", "--server", self.api.url, "--namespace", namespace, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            env={"HOME": str(self._home), "PATH": os.environ["PATH"]},
        )

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def refused(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode != 0, done.stdout
        return done.stderr.strip()


@pytest.fixture
def kubectl(tmp_path: Path) -> Iterator[Kubectl]:
    with KubernetesApi() as api:
        yield Kubectl(api, tmp_path)


@pytest.fixture
def applied(kubectl: Kubectl) -> Kubectl:
    """With one Deployment of two replicas."""
    kubectl("apply", "-f", "-", stdin=json.dumps(deployment("payments", "v1", 2, name="payments")))
    return kubectl


def test_what_is_applied_is_there_with_its_defaults(applied: Kubectl) -> None:
    got = json.loads(applied("get", "deploy", "payments", "-o", "json"))
    assert (got["metadata"]["generation"], got["spec"]["revisionHistoryLimit"]) == (1, 10)
    assert "created" not in applied(
        "apply", "-f", "-", stdin=json.dumps(deployment("payments", "v1", 3, name="payments"))
    )
    assert applied("get", "deployments", "-o", "jsonpath={.items[*].spec.replicas}") == "3"


def test_labels_select(applied: Kubectl) -> None:
    applied("create", "-f", "-", stdin=json.dumps(deployment("ledger", "v1")))
    by_label = ["get", "deploy", "-o", "name", "-l"]
    assert applied(*by_label, "app.kubernetes.io/name=ledger") == "deployment.apps/ledger-v1"
    assert applied(*by_label, "app.kubernetes.io/name in (payments,other)") == "deployment.apps/payments"
    assert applied(*by_label, "!app.kubernetes.io/name") == ""


def test_scaling_goes_through_the_subresource_and_may_be_guarded(applied: Kubectl) -> None:
    applied("scale", "deploy/payments", "--replicas=3")
    assert applied("get", "deploy", "payments", "-o", "jsonpath={.spec.replicas}") == "3"
    assert "Expected replicas to be 2, was 3" in applied.refused(
        "scale", "deploy/payments", "--current-replicas=2", "--replicas=9"
    )
    assert "resource version" in applied.refused("scale", "deploy/payments", "--resource-version=1", "--replicas=9")


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("strategic", {"spec": {"replicas": 4}}),
        ("merge", {"spec": {"replicas": 4}}),
        (
            "json",
            [
                {"op": "test", "path": "/spec/replicas", "value": 2},
                {"op": "replace", "path": "/spec/replicas", "value": 4},
            ],
        ),
    ],
)
def test_every_kind_of_patch_is_applied(applied: Kubectl, kind: str, patch: object) -> None:
    applied("patch", "deploy", "payments", "--type", kind, "-p", json.dumps(patch))
    assert applied("get", "deploy", "payments", "-o", "jsonpath={.spec.replicas}") == "4"


def test_a_json_patch_whose_test_fails_changes_nothing_and_does_not_say_why(applied: Kubectl) -> None:
    guarded = [
        {"op": "replace", "path": "/spec/replicas", "value": 4},
        {"op": "test", "path": "/metadata/resourceVersion", "value": "1"},
    ]
    said = applied.refused("patch", "deploy", "payments", "--type", "json", "-p", json.dumps(guarded))
    assert said == "The request is invalid: the server rejected our request due to an error in our request"
    assert applied("get", "deploy", "payments", "-o", "jsonpath={.spec.replicas}") == "2"


def test_an_older_resource_version_is_a_conflict(applied: Kubectl) -> None:
    old = json.loads(applied("get", "deploy", "payments", "-o", "json"))
    applied("scale", "deploy/payments", "--replicas=3")
    done = applied.run("replace", "-f", "-", stdin=json.dumps(old))
    assert "(Conflict)" in done.stderr
    assert "the object has been modified" in done.stderr
    patch = {"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}, "spec": {"replicas": 9}}
    assert "(Conflict)" in applied.refused("patch", "deploy", "payments", "--type", "merge", "-p", json.dumps(patch))


@pytest.mark.parametrize(
    ("patch", "says"),
    [
        ({"spec": {"replicas": -1}}, "must be greater than or equal to 0"),
        ({"spec": {"replicas": "two"}}, "cannot unmarshal"),
        ({"spec": {"selector": {"matchLabels": {"other": "one"}}}}, "field is immutable"),
        ({"metadata": {"annotations": {"big": "x" * 300_000}}}, None),
    ],
)
def test_what_is_invalid_is_refused(applied: Kubectl, tmp_path: Path, patch: object, says: str | None) -> None:
    file = tmp_path / "patch.json"
    file.write_text(json.dumps(patch))
    said = applied.refused("patch", "deploy", "payments", "--type", "merge", "--patch-file", str(file))
    assert (says or "Too long: may not be more than 262144 bytes") in said


def test_what_is_not_there_is_not_found(applied: Kubectl) -> None:
    assert '(NotFound): deployments.apps "nobody" not found' in applied.refused("get", "deploy", "nobody")
    assert (
        "AlreadyExists"
        in applied.run("create", "-f", "-", stdin=json.dumps(deployment("payments", "v1", name="payments"))).stderr
    )


async def test_annotations_raise_the_generation_and_reach_the_replica_set(applied: Kubectl) -> None:
    applied("annotate", "deploy", "payments", "example.test/note=one")
    assert applied("get", "deploy", "payments", "-o", "jsonpath={.metadata.generation}") == "2"

    def copied() -> bool:
        (one,) = applied.api.store.list(REPLICA_SETS, SHOP)
        return one["metadata"]["annotations"].get("example.test/note") == "one"

    await until(copied, 5, "the annotation on the ReplicaSet")
    store = applied.api.store
    assert store.get(DEPLOYMENTS, SHOP, "payments")["metadata"]["generation"] == 2, "the revision came with the status"


def test_a_rollout_has_a_history_and_can_be_undone(applied: Kubectl) -> None:
    applied("rollout", "status", "deploy/payments", "--timeout=20s")
    applied("annotate", "deploy", "payments", "kubernetes.io/change-cause=two")
    applied("set", "image", "deploy/payments", "service=example.test/payments:v2")
    applied("rollout", "status", "deploy/payments", "--timeout=20s")
    history = applied("rollout", "history", "deploy/payments")
    assert [line.split()[0] for line in history.splitlines()[2:]] == ["1", "2"]
    applied("rollout", "undo", "deploy/payments")
    applied("rollout", "status", "deploy/payments", "--timeout=20s")
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert applied("get", "deploy", "payments", "-o", image) == "example.test/payments:v1"
    history = applied("rollout", "history", "deploy/payments")
    assert [line.split()[0] for line in history.splitlines()[2:]] == ["2", "3"]


def test_a_rollout_that_never_becomes_ready_is_waited_for_in_vain(applied: Kubectl) -> None:
    applied.api.controller.set(most_ready=1)
    applied("scale", "deploy/payments", "--replicas=3")
    said = applied.refused("rollout", "status", "deploy/payments", "--timeout=1s")
    assert "timed out" in said


def test_a_watch_tells_what_changes(applied: Kubectl) -> None:
    command = ["kubectl", "--server", applied.api.url, "-n", SHOP, "get", "deploy", "-w", "-o"]
    with subprocess.Popen([*command, "jsonpath={.spec.replicas} "], stdout=subprocess.PIPE) as watching:
        assert watching.stdout
        first = watching.stdout.read(2)
        applied("scale", "deploy/payments", "--replicas=7")
        seen = first
        while b"7" not in seen:
            seen += watching.stdout.read(2)
        watching.terminate()
    assert seen.startswith(b"2 ")


def test_a_behaviour_is_filled_in(kubectl: Kubectl) -> None:
    behavior = {"scaleUp": {"selectPolicy": "Disabled"}}
    kubectl("apply", "-f", "-", stdin=json.dumps(autoscaler("payments", behavior=behavior)))
    kept = kubectl.api.store.get(AUTOSCALERS, SHOP, "payments")["spec"]["behavior"]
    assert (kept["scaleUp"]["selectPolicy"], kept["scaleDown"]["selectPolicy"]) == ("Disabled", "Max")
    assert "generation" not in kubectl.api.store.get(AUTOSCALERS, SHOP, "payments")["metadata"]
    said = kubectl.refused("patch", "hpa", "payments", "--type", "merge", "-p", '{"spec": {"maxReplicas": 0}}')
    assert "must be greater than or equal to `minReplicas`" in said
