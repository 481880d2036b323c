"""What a Kubernetes API server keeps, and its controllers do, as far as a platform driver and kubectl can tell.

Optimistic concurrency as the real one has it: every write that changes something gets the next resource version; a
write that names another version than the object's is a conflict; a patch applies to what is there when it is written. A
Deployment's generation moves with its spec and its annotations, an autoscaler's with its spec, and no generation with a
status. Whether controllers act is up to the test.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

Object = dict[str, Any]

MOST_ANNOTATIONS = 256 * 1024
"""Bytes of all annotations of one object (apimachinery's ``TotalAnnotationSizeLimitB``)."""


class Refusal(Exception):
    """What a ``Status`` of failure says."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message


@dataclass(frozen=True)
class Kind:
    group: str
    version: str
    kind: str
    plural: str
    short: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}"


KINDS = {
    "deployments": Kind("apps", "v1", "Deployment", "deployments", "deploy"),
    "replicasets": Kind("apps", "v1", "ReplicaSet", "replicasets", "rs"),
    "horizontalpodautoscalers": Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa"),
}


NEW: dict[str, Object] = {
    "deployments": {},
    "replicasets": {"replicas": 0},
    "horizontalpodautoscalers": {"currentMetrics": None, "desiredReplicas": 0},
}
"""The status of what no controller has seen yet."""


@dataclass(frozen=True)
class Event:
    version: int
    type: Literal["ADDED", "MODIFIED", "DELETED"]
    plural: str
    object: Object


@dataclass
class Cluster:
    """The objects of one namespace, ``default``."""

    controller: Literal["prompt", "slow", "failing", "away"] = "prompt"
    """How Deployments become ready: at once, a replica at a time, never; or nobody even looks at what is wanted."""
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    version: int = 100
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    started: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(days=1))

    def get(self, plural: str, name: str) -> Object:
        if (plural, name) not in self.objects:
            group = KINDS[plural].group
            raise Refusal(404, "NotFound", f'{plural}.{group} "{name}" not found')
        return copy.deepcopy(self.objects[plural, name])

    def list(self, plural: str) -> list[Object]:
        return [copy.deepcopy(one) for (kind, _), one in sorted(self.objects.items()) if kind == plural]

    def create(self, plural: str, given: Object) -> Object:
        kind, name = KINDS[plural], given["metadata"]["name"]
        if (plural, name) in self.objects:
            raise Refusal(409, "AlreadyExists", f'{plural}.{kind.group} "{name}" already exists')
        made = {"apiVersion": kind.api_version, "kind": kind.kind, **copy.deepcopy(given), "status": dict(NEW[plural])}
        age = timedelta(minutes=len(self.objects))
        made["metadata"] |= {
            "namespace": "default",
            "uid": f"{plural}-{name}-{self.version}",
            "generation": 1,
            "creationTimestamp": f"{self.started + age:%Y-%m-%dT%H:%M:%SZ}",
        }
        _check(plural, made)
        self._keep("ADDED", plural, made)
        if plural == "deployments":
            self._roll_out(made)
            self._tell_controller(name)
        return self.get(plural, name)

    def delete(self, plural: str, name: str) -> None:
        self._happened("DELETED", plural, self.objects.pop((plural, name)))

    def update(self, plural: str, name: str, change: Callable[[Object], Object], *, status: bool = False) -> Object:
        """*change* gets what is there now. A status is written apart from the rest."""
        old = self.get(plural, name)
        new = change(copy.deepcopy(old))
        named = new["metadata"].get("resourceVersion") or old["metadata"]["resourceVersion"]
        if named != old["metadata"]["resourceVersion"]:
            raise Refusal(
                409,
                "Conflict",
                f'Operation cannot be fulfilled on {plural}.{KINDS[plural].group} "{name}": the object has been '
                "modified; please apply your changes to the latest version and try again",
            )
        if status:
            new = {**old, "status": new["status"]}
        else:
            new["status"] = old["status"]
            for fixed in ("name", "namespace", "uid", "creationTimestamp", "generation", "resourceVersion"):
                new["metadata"][fixed] = old["metadata"][fixed]
        if new == old:
            return old
        _check(plural, new)
        annotated = plural == "deployments" and new["metadata"].get("annotations") != old["metadata"].get("annotations")
        if new["spec"] != old["spec"] or annotated:
            new["metadata"]["generation"] = old["metadata"]["generation"] + 1
        self._keep("MODIFIED", plural, new)
        if plural == "deployments" and not status:
            self._roll_out(new)
            self._tell_controller(name)
        return self.get(plural, name)

    def patch_spec(self, plural: str, name: str, **spec: Any) -> None:
        """Somebody else's write."""
        self.update(plural, name, lambda one: {**one, "spec": {**one["spec"], **spec}})

    def autoscale(self, name: str, recommended: int) -> None:
        """What the autoscaler's controller does about a recommendation: nothing to a Deployment that wants none."""
        spec = self.get("horizontalpodautoscalers", name)["spec"]
        target = spec["scaleTargetRef"]["name"]
        if self.get("deployments", target)["spec"]["replicas"]:
            replicas = min(max(recommended, spec.get("minReplicas", 1)), spec["maxReplicas"])
            self.patch_spec("deployments", target, replicas=replicas)

    def _tell_controller(self, name: str) -> None:
        if self.controller != "away":
            delay = 0.05 if self.controller == "slow" else 0.0
            asyncio.get_running_loop().call_later(delay, self._reconcile, name)

    def _reconcile(self, name: str) -> None:
        if ("deployments", name) not in self.objects or self.controller == "away":
            return
        deployment = self.get("deployments", name)
        wanted, had = deployment["spec"]["replicas"], deployment["status"].get("readyReplicas", 0)
        step = {"prompt": wanted, "slow": min(wanted, had + 1), "failing": min(wanted, had)}[self.controller]
        status = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": wanted,
            "updatedReplicas": wanted,
            **({"readyReplicas": step, "availableReplicas": step} if step else {}),
        }
        self.update("deployments", name, lambda one: {**one, "status": status}, status=True)
        if step < wanted and self.controller == "slow":
            self._tell_controller(name)

    def _roll_out(self, deployment: Object) -> None:
        """A ReplicaSet of its template, unless it has one; a paused Deployment waits until somebody resumes it."""
        meta, spec = deployment["metadata"], deployment["spec"]
        owned = (one for one in self.list("replicasets") if one["metadata"]["ownerReferences"][0]["uid"] == meta["uid"])
        if spec.get("paused") or any(one["spec"]["template"] == spec["template"] for one in owned):
            return
        generation = meta["generation"]
        self.create(
            "replicasets",
            {
                "metadata": {
                    "name": f"{meta['name']}-{generation}",
                    "labels": dict(spec["template"]["metadata"].get("labels", {})),
                    "ownerReferences": [
                        {"apiVersion": "apps/v1", "kind": "Deployment", "name": meta["name"], "uid": meta["uid"]}
                    ],
                },
                "spec": {"replicas": spec["replicas"], "selector": spec["selector"], "template": spec["template"]},
            },
        )

    def _keep(self, type_: Literal["ADDED", "MODIFIED"], plural: str, one: Object) -> None:
        self.objects[plural, one["metadata"]["name"]] = one
        self._happened(type_, plural, one)

    def _happened(self, type_: Literal["ADDED", "MODIFIED", "DELETED"], plural: str, one: Object) -> None:
        self.version += 1
        one["metadata"]["resourceVersion"] = str(self.version)
        self.events.append(Event(self.version, type_, plural, copy.deepcopy(one)))
        self.changed.set()
        self.changed = asyncio.Event()


def _check(plural: str, one: Object) -> None:
    meta, spec = one["metadata"], one["spec"]
    wrong: str | None = None
    if plural == "deployments":
        spec.setdefault("replicas", 1)
        if spec["replicas"] < 0:
            wrong = f"spec.replicas: Invalid value: {spec['replicas']}: must be greater than or equal to 0"
        if not spec.get("paused", True):
            del spec["paused"]
    if plural == "horizontalpodautoscalers" and spec["maxReplicas"] < spec.setdefault("minReplicas", 1):
        wrong = (
            f"spec.maxReplicas: Invalid value: {spec['maxReplicas']}: must be greater than or equal to `minReplicas`"
        )
    size = sum(len(name) + len(value) for name, value in meta.get("annotations", {}).items())
    if size > MOST_ANNOTATIONS:
        wrong = f"metadata.annotations: Too long: may not be more than {MOST_ANNOTATIONS} bytes"
    if wrong:
        raise Refusal(
            422, "Invalid", f'{KINDS[plural].kind}.{KINDS[plural].group} "{meta["name"]}" is invalid: {wrong}'
        )


def json_patch(one: Object, operations: list[Object]) -> Object:
    """RFC 6902, as far as objects and numbered list items go. One operation that fails, and nothing is done."""
    for operation in operations:
        *way, last = (part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:])
        try:
            parent: Any = one
            for part in way:
                parent = parent[int(part)] if isinstance(parent, list) else parent[part]
            _operate(parent, int(last) if isinstance(parent, list) else last, operation)
        except (KeyError, IndexError, ValueError) as error:
            message = "the server rejected our request due to an error in our request"
            raise Refusal(422, "Invalid", message) from error
    return one


def _operate(parent: Any, place: Any, operation: Object) -> None:
    match operation["op"]:
        case "test" if parent[place] == operation["value"]:
            return
        case "remove":
            del parent[place]
        case "replace" if parent[place] is not None:
            parent[place] = operation["value"]
        case "add" if isinstance(parent, dict):
            parent[place] = operation["value"]
        case _:
            raise ValueError(f"{operation['op']} does not apply")


def merge_patch(one: Any, patch: Any) -> Any:
    """RFC 7386. A strategic merge is the same where there are no lists."""
    if not isinstance(patch, dict):
        return patch
    merged: Object = dict(one) if isinstance(one, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def strategic_merge_patch(one: Object, patch: Object) -> Object:
    if any(isinstance(value, list) for value in _values(patch)):
        raise Refusal(501, "NotImplemented", f"this double merges no lists: {json.dumps(patch)}")
    return merge_patch(one, patch)


def _values(patch: Object) -> list[Any]:
    return [v for value in patch.values() for v in (_values(value) if isinstance(value, dict) else [value])]
