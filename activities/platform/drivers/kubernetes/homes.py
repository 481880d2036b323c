"""Where the fields of a service live: each in one object, so that one write of that object changes it.

| field | lives in | what it means |
|---|---|---|
| ``replicas/<release>`` | the release's Deployment | how many are wanted |
| ``synced/<release>`` | the Deployment | true: a GitOps tool or an owner sets it back; false: that is held off |
| ``autoscaled/<release>`` | the autoscaler that targets it | true: it scales the release; false: it is held still |

The last two are absent where there is nobody to hold. Flux leaves an object alone that is annotated
``kustomize.toolkit.fluxcd.io/reconcile: disabled``. An autoscaler scales neither way when both of its ``selectPolicy``
are ``Disabled``; it goes on holding its bounds. Argo CD, Flux's Helm releases and owners such as KEDA cannot be held
off on the object itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from activities.driver import Refused
from activities.platform.drivers.kubernetes import ledger
from activities.platform.drivers.kubernetes.ledger import Ledger
from activities.platform.drivers.kubernetes.objects import Autoscaler, Deployment, Meta, ReplicaSet
from models import service_state
from models.receipt import Fields

FREE = "sternway/replicas"
"""Annotation with which people say, by the value ``free``, that whoever syncs the object leaves the replicas alone."""
FLUX_LABEL = "kustomize.toolkit.fluxcd.io/name"
FLUX_HOLD = "kustomize.toolkit.fluxcd.io/reconcile"
BEHAVIOR = "sternway/behavior"
"""Annotation of a held autoscaler: its behaviour before, as JSON."""
STILL = {"scaleUp": {"selectPolicy": "Disabled"}, "scaleDown": {"selectPolicy": "Disabled"}}
GENERATION_DIGITS = 13
"""Hexadecimal: 52 bits, which every reader of JSON keeps exactly."""


@dataclass(frozen=True)
class Home:
    """An object that fields live in."""

    object: Deployment | Autoscaler
    release: str
    """Empty where the Deployment does not say."""
    ledger: Ledger
    state: Fields
    history: tuple[service_state.Deployment, ...] = ()
    """Of a Deployment, its revisions."""

    @property
    def meta(self) -> Meta:
        return self.object.metadata

    @property
    def name(self) -> str:
        return f"{'Deployment' if isinstance(self.object, Deployment) else 'HorizontalPodAutoscaler'} {self.meta.name}"

    @property
    def bounds(self) -> range | None:
        """Of an autoscaler, the numbers of replicas that it allows."""
        if isinstance(self.object, Deployment):
            return None
        return range(self.object.spec.min_replicas, self.object.spec.max_replicas + 1)


def homes_of(
    deployments: Sequence[Deployment],
    replica_sets: Sequence[ReplicaSet],
    autoscalers: Sequence[Autoscaler],
    label: str,
) -> tuple[Home, ...]:
    """The objects of *deployments*: these themselves, and what scales them. *label* has the release.

    Raises ``Refused`` where a ledger cannot be read.
    """
    found: list[Home] = []
    for deployment in deployments:
        meta = deployment.metadata
        release = meta.labels.get(label, "")
        revisions = [one for one in replica_sets if one.metadata.controller and one.metadata.controller.uid == meta.uid]
        copies = (meta.annotations, *(one.metadata.annotations for one in revisions))
        state: Fields = {f"replicas/{release}": deployment.spec.replicas}
        if (synced := _synced(meta)) is not None:
            state[f"synced/{release}"] = synced
        read = ledger.read(f"Deployment {meta.name}", copies)
        found.append(Home(deployment, release, read, state, _history(deployment, revisions, label)))
        for scaler in autoscalers:
            target = scaler.spec.scale_target_ref
            if (target.kind, target.name) == ("Deployment", meta.name):
                read = ledger.read(f"HorizontalPodAutoscaler {scaler.metadata.name}", (scaler.metadata.annotations,))
                found.append(Home(scaler, release, read, {f"autoscaled/{release}": not _still(scaler)}))
    return tuple(found)


def state_of(homes: Sequence[Home]) -> Fields:
    return {name: value for home in homes for name, value in home.state.items()}


def generation(homes: Sequence[Home], after: Mapping[str, Fields] | None = None) -> int:
    """A number that is another one as soon as a field, a Deployment's specification, or one of the objects is another.

    A digest and no counter: ``metadata.generation`` also counts annotations, an autoscaler has none, and their sum
    could return to an earlier value when objects come and go. *after*: fields that a write is going to change, by uid.
    """
    parts: list[tuple[str, object, Fields]] = []
    for home in homes:
        fields = (after or {}).get(home.meta.uid, {})
        spec: dict[str, Any] = {}
        if isinstance(home.object, Deployment):
            replicas = fields.get(f"replicas/{home.release}", home.object.spec.replicas)
            spec = home.object.spec.model_dump(mode="json") | {"replicas": replicas}
        parts.append((home.meta.uid, spec, home.state | fields))
    text = json.dumps(sorted(parts, key=lambda part: part[0]), sort_keys=True)
    return int(hashlib.sha256(text.encode()).hexdigest()[:GENERATION_DIGITS], 16)


def operations(home: Home, book: Ledger, fields: Fields) -> list[dict[str, Any]]:
    """The JSON patch that makes *fields* so and *book* the ledger, if nobody has written the object since."""
    annotations = {**home.meta.annotations, ledger.ANNOTATION: book.text()}
    spec: list[dict[str, Any]] = []
    for name, value in fields.items():
        if name.startswith("replicas/"):
            spec.append({"op": "replace", "path": "/spec/replicas", "value": value})
            continue
        if isinstance(home.object, Autoscaler):
            spec.append(_behaviour(home.object, annotations, held=value is False))
        if FLUX_LABEL in home.meta.labels and value is False:
            annotations[FLUX_HOLD] = "disabled"
        elif FLUX_LABEL in home.meta.labels:
            annotations.pop(FLUX_HOLD, None)
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": home.meta.resource_version},
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
        *spec,
    ]


def keeper(meta: Meta) -> str | None:
    """Who would set the object back and cannot be held off on the object itself."""
    if meta.annotations.get(FREE) == "free":
        return None
    if owner := meta.controller:
        return f"its owner, {owner.kind} {owner.name},"
    if tracked := meta.annotations.get("argocd.argoproj.io/tracking-id"):
        return f"Argo CD (application {tracked.partition(':')[0]})"
    for label, who in (
        ("argocd.argoproj.io/instance", "Argo CD (application {})"),
        ("helm.toolkit.fluxcd.io/name", "Flux (HelmRelease {})"),
    ):
        if name := meta.labels.get(label):
            return who.format(name)
    return None


def require_holdable(home: Home) -> None:
    """Raises ``Refused``, naming who would set the object back."""
    if who := keeper(home.meta):
        raise Refused(
            f"{who} sets {home.name} back, and nothing on the object itself stops that: let it leave the replicas (or "
            f"the autoscaler's behaviour) alone, then say so with the annotation {FREE}: free"
        )


def _synced(meta: Meta) -> bool | None:
    if keeper(meta):
        return True
    if FLUX_LABEL not in meta.labels or meta.annotations.get(FREE) == "free":
        return None
    return meta.annotations.get(FLUX_HOLD) != "disabled"


def _still(scaler: Autoscaler) -> bool:
    behavior = scaler.spec.behavior or {}
    return all(behavior.get(way, {}).get("selectPolicy") == "Disabled" for way in STILL)


def _behaviour(scaler: Autoscaler, annotations: dict[str, str], held: bool) -> dict[str, Any]:
    """The operation, and in *annotations* what it will take to go back."""
    if held and _still(scaler):
        return {"op": "add", "path": "/spec/behavior", "value": scaler.spec.behavior}
    if held:
        annotations[BEHAVIOR] = json.dumps(scaler.spec.behavior)
        now = scaler.spec.behavior or {}
        value = {way: {**now.get(way, {}), **policy} for way, policy in STILL.items()}
        return {"op": "add", "path": "/spec/behavior", "value": value}
    before = json.loads(annotations.pop(BEHAVIOR, "null"))
    return {"op": "add", "path": "/spec/behavior", "value": before}


def _history(
    deployment: Deployment, revisions: Sequence[ReplicaSet], label: str
) -> tuple[service_state.Deployment, ...]:
    """Each revision is an event. One that nobody has looked at yet is dated by the Deployment itself."""
    release = deployment.metadata.labels.get(label, "")
    events = [
        service_state.Deployment(
            release=one.spec.template.metadata.labels.get(label, release), at=one.metadata.creation_timestamp
        )
        for one in revisions
    ]
    return tuple(events) or (service_state.Deployment(release=release, at=deployment.metadata.creation_timestamp),)
