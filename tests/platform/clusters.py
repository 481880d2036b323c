"""A namespace of the double with the driver that is connected to it, for tests of what is particular to Kubernetes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from activities.platform.driver import Workload
from activities.platform.drivers.kubernetes import KubernetesPlatform
from models.catalog import Driver
from models.identity import Key
from models.receipt import Fields, Receipt
from tests.kubernetes.api import Fault, KubernetesApi, Request
from tests.kubernetes.kinds import AUTOSCALERS, DEPLOYMENTS, Kind
from tests.kubernetes.objects import deployment
from tests.kubernetes.says import Json

SERVICE = "payments"
REGION = "eu"
INCIDENT = "01J0000000000000000000TEST"


def key(step: str, incident: str = INCIDENT) -> Key:
    return Key(incident=incident, step=step)


@dataclass
class Shop:
    """Payments in releases v1 and v2, of which two replicas of v2 are wanted."""

    api: KubernetesApi
    namespace: str = "shop"

    def __post_init__(self) -> None:
        self.driver = KubernetesPlatform(self.at())
        self.patched = threading.Event()
        """Set once a patch has come."""
        self.create(DEPLOYMENTS, deployment(SERVICE, "v1", 0))
        self.create(DEPLOYMENTS, deployment(SERVICE, "v2", 2))

    def at(self, kubeconfig: str | None = None) -> Driver:
        return Driver(kind="kubernetes", url=self.api.url, namespace=self.namespace, kubeconfig=kubeconfig)

    def create(self, kind: Kind, obj: Json) -> None:
        self.api.store.create(kind, self.namespace, obj)

    def get(self, release: str, kind: Kind = DEPLOYMENTS) -> Json:
        return self.api.store.get(kind, self.namespace, f"{SERVICE}-{release}")

    def edit(self, release: str, make: Callable[[Json], object], kind: Kind = DEPLOYMENTS) -> None:
        """As somebody else."""

        def made(obj: Json) -> Json:
            make(obj)
            return obj

        self.api.store.update(kind, self.namespace, f"{SERVICE}-{release}", made)

    def annotate(self, release: str, kind: Kind = DEPLOYMENTS, **annotations: str) -> None:
        self.edit(release, lambda obj: obj["metadata"].setdefault("annotations", {}).update(annotations), kind)

    async def read(self) -> Workload:
        return await self.driver.read(REGION, SERVICE)

    async def change(self, step: str, fields: Fields, expected: int | None = None) -> Receipt:
        return await self.driver.change(key(step), REGION, SERVICE, fields, expected)

    async def undo(self, step: str) -> Receipt:
        return await self.driver.undo(key(step), REGION, SERVICE)

    def on_patch(self, act: Callable[[Request, int], Fault | None]) -> None:
        """*act* on each patch that the driver sends, with its number, from 1."""
        count = 0

        def on_request(request: Request) -> Fault | None:
            nonlocal count
            if request.method != "PATCH":
                return None
            count += 1
            self.patched.set()
            return act(request, count)

        self.api.on_request = on_request

    def behavior(self, release: str) -> Json | None:
        return self.get(release, AUTOSCALERS)["spec"].get("behavior")
