"""The kinds that the double keeps, with the defaults, checks and bookkeeping that the API server does for each."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.kubernetes.says import Json, invalid

LARGEST_ANNOTATIONS = 256 * 1024
QUALIFIED = re.compile(r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")


@dataclass(frozen=True)
class Kind:
    group: str
    version: str
    kind: str
    plural: str
    short: str
    fields: Mapping[str, type]
    """Of ``spec``: what is not named is dropped, as the API server does; what has another type is refused."""
    prepare: Callable[[Json, Json | None], None] = field(repr=False)
    """Fill in defaults and check; the object before, if there was one. Raises ``ApiFailure``."""
    generation: Callable[[Json], object] | None = field(default=None, repr=False)
    """Of what the server raises ``metadata.generation`` when it changes; None: it has none."""
    scalable: bool = False

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


def checked(kind: Kind, obj: Json, before: Json | None) -> Json:
    """*obj* as it is kept. Raises ``ApiFailure``."""
    kept = copy.deepcopy(obj)
    meta, name = kept["metadata"], kept["metadata"].get("name", "")
    for part in ("labels", "annotations"):
        given = meta.get(part) or {}
        for key, value in given.items():
            if not isinstance(value, str):
                what = f"json: cannot unmarshal {type(value).__name__} into Go struct field ObjectMeta.{part}"
                raise invalid(kind.group, kind.kind, name, "patch", what)
            if not QUALIFIED.match(key):
                raise invalid(kind.group, kind.kind, name, f"metadata.{part}", f'Invalid value: "{key}"')
        if given:
            meta[part] = given
        else:
            meta.pop(part, None)
    size = sum(len(key) + len(value) for key, value in (meta.get("annotations") or {}).items())
    if size > LARGEST_ANNOTATIONS:
        what = f"Too long: may not be more than {LARGEST_ANNOTATIONS} bytes"
        raise invalid(kind.group, kind.kind, name, "metadata.annotations", what)
    spec = {key: value for key, value in _said(kept.get("spec") or {}).items() if key in kind.fields}
    for key, value in spec.items():
        if not isinstance(value, kind.fields[key]) or (kind.fields[key] is int and isinstance(value, bool)):
            what = f"json: cannot unmarshal {type(value).__name__} into Go struct field {kind.kind}Spec.spec.{key}"
            raise invalid(kind.group, kind.kind, name, "patch", what)
    kept["spec"] = spec
    kind.prepare(kept, before)
    return kept


def _said(value: Any) -> Any:
    """Without what is null or an empty object: clients write these for what they do not say."""
    if isinstance(value, list):
        return [_said(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {key: said for key, one in value.items() if (said := _said(one)) is not None and said != {}}


def _deployment(obj: Json, before: Json | None) -> None:
    spec, name = obj["spec"], obj["metadata"]["name"]
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    spec.setdefault(
        "strategy", {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    )
    _replicas_and_selector("Deployment", obj, before)
    if not spec["template"].get("spec", {}).get("containers"):
        raise invalid("apps", "Deployment", name, "spec.template.spec.containers", "Required value")


def _replica_set(obj: Json, before: Json | None) -> None:
    obj["spec"].setdefault("replicas", 1)
    _replicas_and_selector("ReplicaSet", obj, before)


def _replicas_and_selector(kind: str, obj: Json, before: Json | None) -> None:
    spec, name = obj["spec"], obj["metadata"]["name"]
    if spec["replicas"] < 0:
        what = f"Invalid value: {spec['replicas']}: must be greater than or equal to 0"
        raise invalid("apps", kind, name, "spec.replicas", what)
    if before is not None and spec.get("selector") != before["spec"]["selector"]:
        raise invalid("apps", kind, name, "spec.selector", "field is immutable")
    wanted = (spec.get("selector") or {}).get("matchLabels")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if not wanted:
        raise invalid("apps", kind, name, "spec.selector", "Required value")
    if any(labels.get(key) != value for key, value in wanted.items()):
        what = "Invalid value: `selector` does not match template `labels`"
        raise invalid("apps", kind, name, "spec.template.metadata.labels", what)


UP = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
DOWN = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


def _autoscaler(obj: Json, _before: Json | None) -> None:
    spec, name = obj["spec"], obj["metadata"]["name"]
    spec.setdefault("minReplicas", 1)
    if spec.get("maxReplicas", 0) < spec["minReplicas"]:
        what = f"Invalid value: {spec.get('maxReplicas', 0)}: must be greater than or equal to `minReplicas`"
        raise invalid("autoscaling", "HorizontalPodAutoscaler", name, "spec.maxReplicas", what)
    target = spec.get("scaleTargetRef") or {}
    if not target.get("kind") or not target.get("name"):
        raise invalid("autoscaling", "HorizontalPodAutoscaler", name, "spec.scaleTargetRef.name", "Required value")
    if "behavior" not in spec:
        return
    # Once there is a behaviour, what it leaves open is filled in.
    given: dict[str, Any] = spec["behavior"]
    spec["behavior"] = {
        "scaleUp": {**UP, **(given.get("scaleUp") or {})},
        "scaleDown": {**DOWN, **(given.get("scaleDown") or {})},
    }
    for way, rules in spec["behavior"].items():
        if rules["selectPolicy"] not in ("Max", "Min", "Disabled"):
            where = f"spec.behavior.{way}.selectPolicy"
            raise invalid("autoscaling", "HorizontalPodAutoscaler", name, where, "Unsupported value")


DEPLOYMENTS = Kind(
    "apps",
    "v1",
    "Deployment",
    "deployments",
    "deploy",
    {
        "replicas": int,
        "selector": dict,
        "template": dict,
        "strategy": dict,
        "minReadySeconds": int,
        "revisionHistoryLimit": int,
        "paused": bool,
        "progressDeadlineSeconds": int,
    },
    _deployment,
    # Annotations too, because they are copied to the ReplicaSet.
    generation=lambda obj: (obj["spec"], obj["metadata"].get("annotations") or {}),
    scalable=True,
)
REPLICA_SETS = Kind(
    "apps",
    "v1",
    "ReplicaSet",
    "replicasets",
    "rs",
    {"replicas": int, "selector": dict, "template": dict, "minReadySeconds": int},
    _replica_set,
    generation=lambda obj: obj["spec"],
    scalable=True,
)
AUTOSCALERS = Kind(
    "autoscaling",
    "v2",
    "HorizontalPodAutoscaler",
    "horizontalpodautoscalers",
    "hpa",
    {"scaleTargetRef": dict, "minReplicas": int, "maxReplicas": int, "metrics": list, "behavior": dict},
    _autoscaler,
)
KINDS = (DEPLOYMENTS, REPLICA_SETS, AUTOSCALERS)
