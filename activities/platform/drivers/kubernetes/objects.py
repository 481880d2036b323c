"""What the API server says of the three kinds of objects that matter here, as far as it is looked at."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from models.base import Time


class Said(BaseModel):
    """A part of an object. A newer server says more than is known here: that is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class Owner(Said):
    kind: str
    name: str
    uid: str
    controller: bool = False


class Meta(Said):
    name: str
    uid: str
    resource_version: str
    """Opaque: equal, or not. Every write of the object changes it, also one of its status."""
    generation: int = 0
    """Of a Deployment, the server raises it with every change of its specification or annotations. Others may have
    none."""
    creation_timestamp: Time
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[Owner, ...] = ()

    @property
    def controller(self) -> Owner | None:
        """Whoever keeps the object the way that it wants it."""
        return next((owner for owner in self.owner_references if owner.controller), None)


class DeploymentSpec(Said):
    model_config = ConfigDict(extra="allow")
    replicas: int


class DeploymentStatus(Said):
    observed_generation: int = 0
    ready_replicas: int = 0


class Deployment(Said):
    metadata: Meta
    spec: DeploymentSpec
    status: DeploymentStatus = DeploymentStatus()


class TemplateMeta(Said):
    labels: dict[str, str] = {}


class Template(Said):
    metadata: TemplateMeta = TemplateMeta()


class ReplicaSetSpec(Said):
    template: Template


class ReplicaSet(Said):
    """One revision of a Deployment. The controller copies the Deployment's annotations to the current one."""

    metadata: Meta
    spec: ReplicaSetSpec


class Target(Said):
    kind: str
    name: str


class AutoscalerSpec(Said):
    scale_target_ref: Target
    min_replicas: int = 1
    max_replicas: int
    behavior: dict[str, dict[str, Any]] | None = None


class Autoscaler(Said):
    """A HorizontalPodAutoscaler, ``autoscaling/v2``."""

    metadata: Meta
    spec: AutoscalerSpec
