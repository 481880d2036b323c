"""What is read of a service's API objects, and what it says. Pure.

The service's Deployments, one for each release, are the resource. Autoscalers that aim at them are changed with them;
ReplicaSets tell when each release was deployed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from activities.driver import Refused
from activities.platform.driver import Workload
from activities.platform.fields import FROZEN, REPLICAS, RESTARTED
from models.base import Frozen, Time
from models.deployment import Deployment as Deployed
from models.digest import digest
from models.receipt import Fields, Value

SERVICE = "app.kubernetes.io/name"
RELEASE = "app.kubernetes.io/version"

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
"""The annotation of a pod template by which ``kubectl rollout restart`` has all pods replaced."""

TEMPLATE_ANNOTATIONS = "/spec/template/metadata/annotations"
RESTART = f"{TEMPLATE_ANNOTATIONS}/{RESTARTED_AT.replace('/', '~1')}"

POD_TEMPLATE_HASH = "pod-template-hash"
"""The label by which a ReplicaSet knows its own pods."""

Values = dict[str, Value]
"""What an object wants, by JSON pointer."""


class Part(Frozen):
    """A part of an API object; what is not read of it is passed over."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class Owner(Part):
    kind: str
    name: str
    uid: str


class Metadata(Part):
    name: str
    uid: str
    resource_version: str
    generation: int = 0
    creation_timestamp: Time
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[Owner, ...] = ()


class TemplateMetadata(Part):
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Template(Part):
    metadata: TemplateMetadata = TemplateMetadata()
    spec: dict[str, Any] = {}


class DeploymentSpec(Part):
    replicas: int = 1
    paused: bool = False
    template: Template = Template()


class DeploymentStatus(Part):
    observed_generation: int = 0
    ready_replicas: int = 0


class Deployment(Part):
    kind: ClassVar = "Deployment"
    metadata: Metadata
    spec: DeploymentSpec
    status: DeploymentStatus = DeploymentStatus()

    @property
    def release(self) -> str:
        return self.metadata.labels.get(RELEASE, "")

    @property
    def observed(self) -> bool:
        """Whether the controller has seen what is wanted."""
        return self.status.observed_generation >= self.metadata.generation

    @property
    def values(self) -> Values:
        restarted: Values = {RESTART: self.restarted_at} if self.restarted_at else {}
        return {"/spec/replicas": self.spec.replicas, "/spec/paused": self.spec.paused, **restarted}

    @property
    def restarted_at(self) -> str | None:
        return self.spec.template.metadata.annotations.get(RESTARTED_AT)


class Target(Part):
    kind: str
    name: str


class AutoscalerSpec(Part):
    scale_target_ref: Target
    min_replicas: int = 1
    max_replicas: int


class Autoscaler(Part):
    kind: ClassVar = "HorizontalPodAutoscaler"
    metadata: Metadata
    spec: AutoscalerSpec

    @property
    def values(self) -> Values:
        return {"/spec/minReplicas": self.spec.min_replicas, "/spec/maxReplicas": self.spec.max_replicas}


class ReplicaSetSpec(Part):
    template: Template = Template()


class ReplicaSet(Part):
    metadata: Metadata
    spec: ReplicaSetSpec


Thing = Deployment | Autoscaler
"""What a change writes."""


def named(thing: Thing) -> str:
    return f"{thing.kind}/{thing.metadata.name}"


@dataclass(frozen=True)
class Service:
    """One service in one region, as it was read."""

    resource: str
    """``region/service``."""
    deployments: tuple[Deployment, ...]
    """By name, each of another release."""
    autoscalers: tuple[Autoscaler, ...]
    """Those that aim at one of the Deployments."""

    @property
    def things(self) -> tuple[Thing, ...]:
        """In the order in which they are written: a Deployment is the first."""
        return (*self.deployments, *self.autoscalers)

    @property
    def state(self) -> Fields:
        state: Fields = {f"{REPLICAS}{one.release}": one.spec.replicas for one in self.deployments}
        state |= {f"{RESTARTED}{one.release}": one.restarted_at for one in self.deployments if one.restarted_at}
        return {**state, FROZEN: True} if all(one.spec.paused for one in self.deployments) else state

    def with_written(self, thing: Thing) -> Service:
        """The service after *thing* was written."""
        if isinstance(thing, Deployment):
            written = tuple(thing if one.metadata.uid == thing.metadata.uid else one for one in self.deployments)
            return Service(self.resource, written, self.autoscalers)
        pinned = tuple(thing if one.metadata.uid == thing.metadata.uid else one for one in self.autoscalers)
        return Service(self.resource, self.deployments, pinned)


def service(resource: str, deployments: tuple[Deployment, ...], autoscalers: tuple[Autoscaler, ...]) -> Service:
    """*deployments*: all that bear the service's name. Raises :class:`~activities.driver.Refused` where they are not
    one for each release."""
    name = resource.partition("/")[2]
    if not deployments:
        raise Refused(
            f"{name} is not known here: no Deployment has the label {SERVICE}={name}; is the namespace right?"
        )
    by_release: dict[str, str] = {}
    for one in deployments:
        if not one.release:
            raise Refused(
                f"the Deployment {one.metadata.name} of {name} has no label {RELEASE}, so its releases can be only "
                "ReplicaSets of it, and two of them cannot run side by side; have one Deployment for each release, "
                f"each with the label {RELEASE}"
            )
        other = by_release.setdefault(one.release, one.metadata.name)
        if other != one.metadata.name:
            raise Refused(
                f"the Deployments {other} and {one.metadata.name} are both {name} {one.release}; give what is not the "
                f"service itself another {SERVICE}"
            )
    names = set(by_release.values())
    aimed = (a for a in autoscalers if a.spec.scale_target_ref.kind == "Deployment")
    return Service(resource, deployments, tuple(a for a in aimed if a.spec.scale_target_ref.name in names))


def workload(seen: Service, generation: int, replica_sets: tuple[ReplicaSet, ...]) -> Workload:
    return Workload(
        generation=generation,
        state=seen.state,
        replicas={one.release: one.spec.replicas for one in seen.deployments},
        ready={one.release: one.status.ready_replicas for one in seen.deployments},
        deployments=_history(seen, replica_sets),
        runnable=tuple(one.release for one in seen.deployments),
    )


def _history(seen: Service, replica_sets: tuple[ReplicaSet, ...]) -> tuple[Deployed, ...]:
    """Newest first: when each template of each Deployment was rolled out first, as its ReplicaSets tell. A restart is
    a ReplicaSet as well, and no deployment."""
    by_uid = {one.metadata.uid: one for one in seen.deployments}
    events: list[Deployed] = []
    for rolled_out in _without_restarts(replica_sets):
        for deployment in (by_uid[o.uid] for o in rolled_out.metadata.owner_references if o.uid in by_uid):
            release = rolled_out.spec.template.metadata.labels.get(RELEASE, deployment.release)
            if release != deployment.release and len(by_uid) == 1:
                raise Refused(
                    f"the releases {release} and {deployment.release} are ReplicaSets of one Deployment, "
                    f"{deployment.metadata.name}, and cannot run side by side; have one Deployment for each release, "
                    f"each with the label {RELEASE}"
                )
            events.append(Deployed(release=deployment.release, at=rolled_out.metadata.creation_timestamp))
    told = {event.release for event in events}
    untold = (one for one in seen.deployments if one.release not in told)
    events += (Deployed(release=one.release, at=one.metadata.creation_timestamp) for one in untold)
    return tuple(sorted(events, key=lambda event: (event.at, event.release), reverse=True))


def _without_restarts(replica_sets: tuple[ReplicaSet, ...]) -> Iterator[ReplicaSet]:
    """The first of those of one owner whose templates are the same but for when they were restarted."""
    told: set[str] = set()
    for one in sorted(replica_sets, key=lambda one: one.metadata.creation_timestamp):
        labels = {name: value for name, value in one.spec.template.metadata.labels.items() if name != POD_TEMPLATE_HASH}
        annotations = {**one.spec.template.metadata.annotations, RESTARTED_AT: ""}
        owners = [owner.uid for owner in one.metadata.owner_references]
        template = digest([owners, labels, annotations, one.spec.template.spec])
        if template not in told:
            told.add(template)
            yield one
