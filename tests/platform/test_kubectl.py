"""The double of the API server satisfies the real kubectl, and kubectl sees what the driver did."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from activities.platform.drivers.kubernetes import KubernetesPlatform
from models.catalog import Driver
from models.identity import Key
from tests.platform import api_server
from tests.platform.api_server import ApiServer, deployment
from tests.waiting import until

KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")


@dataclass(frozen=True)
class Kubectl:
    server: ApiServer
    home: Path

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            str(KUBECTL),
            f"--server={self.server.url}",
            f"--cache-dir={self.home}",
            *arguments,
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin", "KUBECONFIG": "/dev/null"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def __call__(self, *arguments: str) -> str:
        status, out, error = await self.ended(*arguments)
        assert status == 0, error
        return out

    async def ended(self, *arguments: str) -> tuple[int, str, str]:
        process = await self.start(*arguments)
        out, error = await asyncio.wait_for(process.communicate(), 20)
        return int(process.returncode or 0), out.decode(), error.decode()

    def replicas(self, name: str = "dispatch-v1") -> int:
        return self.server.cluster.get("deployments", name)["spec"]["replicas"]


@pytest.fixture
async def kubectl(tmp_path: Path) -> AsyncIterator[Kubectl]:
    async with api_server.running() as server:
        server.cluster.create("deployments", deployment("dispatch", "v1", 2))
        server.cluster.create("deployments", deployment("dispatch", "v2", 1))
        yield Kubectl(server, tmp_path)


async def test_it_discovers_lists_and_selects(kubectl: Kubectl) -> None:
    assert "v1.32.4-double" in await kubectl("version")
    assert "horizontalpodautoscalers" in await kubectl("api-resources")
    assert await kubectl("get", "deploy", "-o", "name") == "deployment.apps/dispatch-v1\ndeployment.apps/dispatch-v2\n"
    of_v2 = ("-l", "app.kubernetes.io/name=dispatch,app.kubernetes.io/version=v2")
    assert await kubectl("get", "deploy", *of_v2, "-o", "name") == "deployment.apps/dispatch-v2\n"
    assert json.loads(await kubectl("get", "rs", "-o", "json"))["kind"] == "List"


async def test_it_scales(kubectl: Kubectl) -> None:
    await kubectl("scale", "deploy/dispatch-v1", "--replicas=4")
    assert kubectl.replicas() == 4
    status, _, error = await kubectl.ended("scale", "deploy/dispatch-v1", "--replicas=1", "--resource-version=1")
    assert (status, kubectl.replicas()) == (1, 4)
    assert "modified" in error.lower() or "resource version" in error.lower()


async def test_it_annotates_and_a_stale_version_is_a_conflict(kubectl: Kubectl) -> None:
    await kubectl("annotate", "deploy/dispatch-v1", "team=night")
    assert kubectl.server.cluster.get("deployments", "dispatch-v1")["metadata"]["annotations"] == {"team": "night"}
    status, _, error = await kubectl.ended(
        "annotate", "deploy/dispatch-v1", "team=day", "--overwrite", "--resource-version=1"
    )
    assert status == 1
    assert "the object has been modified" in error


@pytest.mark.parametrize(
    ("type_", "patch"),
    [
        ("json", '[{"op":"test","path":"/spec/replicas","value":2},{"op":"add","path":"/spec/replicas","value":5}]'),
        ("merge", '{"spec":{"replicas":5}}'),
        ("strategic", '{"spec":{"replicas":5}}'),
    ],
)
async def test_it_patches(kubectl: Kubectl, type_: str, patch: str) -> None:
    await kubectl("patch", "deploy/dispatch-v1", f"--type={type_}", "-p", patch)
    assert kubectl.replicas() == 5


async def test_a_patch_whose_test_fails_is_invalid_and_nothing_of_it_is_done(kubectl: Kubectl) -> None:
    patch = '[{"op":"replace","path":"/spec/replicas","value":5},{"op":"test","path":"/metadata/uid","value":"x"}]'
    status, _, error = await kubectl.ended("patch", "deploy/dispatch-v1", "--type=json", "-p", patch)
    assert (status, kubectl.replicas()) == (1, 2)
    assert "The request is invalid" in error


async def test_it_watches(kubectl: Kubectl) -> None:
    # A list: of a single object, kubectl keeps to itself what happens before its watch has begun.
    of_v1 = ("-l", "app.kubernetes.io/version=v1")
    watching = await kubectl.start("get", "deploy", *of_v1, "-w", "-o", "jsonpath={.spec.replicas}{'\\n'}")
    assert watching.stdout is not None
    assert await asyncio.wait_for(watching.stdout.readline(), 20) == b"2\n"
    kubectl.server.cluster.patch_spec("deployments", "dispatch-v1", replicas=6)
    while (line := await asyncio.wait_for(watching.stdout.readline(), 20)) == b"2\n":
        pass
    assert line == b"6\n"
    watching.kill()
    await watching.wait()


async def test_it_waits_for_a_rollout(kubectl: Kubectl) -> None:
    kubectl.server.cluster.controller = "slow"
    await kubectl("scale", "deploy/dispatch-v1", "--replicas=5")
    assert "successfully rolled out" in await kubectl("rollout", "status", "deploy/dispatch-v1", "--timeout=20s")
    kubectl.server.cluster.controller = "failing"
    await kubectl("scale", "deploy/dispatch-v1", "--replicas=9")
    status, _, error = await kubectl.ended("rollout", "status", "deploy/dispatch-v1", "--timeout=1s")
    assert status == 1
    assert "timed out" in error


async def test_it_sees_what_the_driver_did_and_its_own_changes_supersede_the_drivers(kubectl: Kubectl) -> None:
    driver = KubernetesPlatform(Driver(kind="kubernetes", url=kubectl.server.url))
    key = Key(incident="01OURS", step="scale")
    receipt = await driver.change(key, "eu", "dispatch", {"replicas/v1": 3, "frozen": True}, None)
    seen = json.loads(await kubectl("get", "deploy", "dispatch-v1", "-o", "json"))
    assert (seen["spec"]["replicas"], seen["spec"]["paused"]) == (3, True)
    assert json.loads(seen["metadata"]["annotations"]["sternway/receipts"])[0]["receipt"]["key"] == receipt.key

    await kubectl("scale", "deploy/dispatch-v1", "--replicas=8")
    await until(lambda: kubectl.replicas() == 8, 5, "kubectl's number")
    assert (await driver.undo(key, "eu", "dispatch")).outcome == "superseded"
    assert kubectl.replicas() == 8
    await driver.close()
