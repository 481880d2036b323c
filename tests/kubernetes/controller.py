"""A small deployment controller: revisions as ReplicaSets, and replicas that become ready at once or not at all."""

from __future__ import annotations

import hashlib
import json
import threading
from typing import Any

from tests.kubernetes.kinds import DEPLOYMENTS, REPLICA_SETS
from tests.kubernetes.says import ApiFailure, Json
from tests.kubernetes.store import Store

REVISION = "deployment.kubernetes.io/revision"
NOT_COPIED = ("kubectl.kubernetes.io/last-applied-configuration", REVISION)
HASH = "pod-template-hash"


class Controller:
    """Acts in a thread of its own on whatever changes in *store*."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stopped = False
        self._seen = 0
        self.asleep = False
        """Looks at nothing, as when kube-controller-manager is away."""
        self.most_ready: int | None = None
        """Of each ReplicaSet, so many replicas can become ready; None: all."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with self._store.changed:
            self._stopped = True
            self._store.changed.notify_all()
        self._thread.join()

    def set(self, *, asleep: bool = False, most_ready: int | None = None) -> None:
        with self._store.changed:
            self.asleep, self.most_ready, self._seen = asleep, most_ready, 0
            self._store.changed.notify_all()

    def _run(self) -> None:
        changed = self._store.changed
        while True:
            with changed:
                changed.wait_for(lambda: self._stopped or (not self.asleep and self._store.version > self._seen))
                if self._stopped:
                    return
                self._seen = self._store.version
                for deployment in self._store.list(DEPLOYMENTS, None):
                    try:
                        self._sync(deployment)
                    except ApiFailure as failure:
                        if failure.code != 404:  # deleted meanwhile
                            raise

    def _sync(self, deployment: Json) -> None:
        meta, spec = deployment["metadata"], deployment["spec"]
        namespace = meta["namespace"]
        owned = [one for one in self._store.list(REPLICA_SETS, namespace) if _owned(one, meta["uid"])]
        current = next(
            (one for one in owned if _template(one["spec"]["template"]) == _template(spec["template"])), None
        )
        if current is None and spec.get("paused"):
            return
        copied = {k: v for k, v in (meta.get("annotations") or {}).items() if k not in NOT_COPIED}
        newest = max((_revision(one) for one in owned if one is not current), default=0)
        if current is None:
            current = self._store.create(REPLICA_SETS, namespace, _replica_set(deployment, copied, newest + 1))
            owned.append(current)
        revision = max(_revision(current), newest + 1)
        annotations = {**(current["metadata"].get("annotations") or {}), **copied, REVISION: str(revision)}
        self._set(current, spec["replicas"], annotations)
        for one in owned:
            if one["metadata"]["uid"] != current["metadata"]["uid"]:
                self._set(one, 0, one["metadata"].get("annotations") or {})
        sets = [self._store.get(REPLICA_SETS, namespace, one["metadata"]["name"]) for one in owned]
        now = next(one for one in sets if one["metadata"]["uid"] == current["metadata"]["uid"])
        self._store.update_status(
            DEPLOYMENTS, namespace, meta["name"], _status(deployment, sets, now), {REVISION: str(revision)}
        )

    def _set(self, replica_set: Json, replicas: int, annotations: dict[str, Any]) -> None:
        meta = replica_set["metadata"]

        def make(one: Json) -> Json:
            one["spec"]["replicas"], one["metadata"]["annotations"] = replicas, annotations
            return one

        kept = self._store.update(REPLICA_SETS, meta["namespace"], meta["name"], make)
        ready = replicas if self.most_ready is None else min(replicas, self.most_ready)
        status = {"replicas": replicas, "observedGeneration": kept["metadata"]["generation"]}
        status |= {"readyReplicas": ready, "availableReplicas": ready} if ready else {}
        self._store.update_status(REPLICA_SETS, meta["namespace"], meta["name"], status)


def _owned(obj: Json, uid: str) -> bool:
    return any(owner["uid"] == uid for owner in obj["metadata"].get("ownerReferences", ()))


def _revision(obj: Json) -> int:
    return int((obj["metadata"].get("annotations") or {}).get(REVISION, 0))


def _template(template: Json) -> Json:
    meta = template.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != HASH}
    return {**template, "metadata": {**meta, "labels": labels}}


def _replica_set(deployment: Json, annotations: Json, revision: int) -> Json:
    meta, template = deployment["metadata"], deployment["spec"]["template"]
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
    labels = {**(template["metadata"].get("labels") or {}), HASH: digest}
    owner = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
    }
    return {
        "metadata": {
            "name": f"{meta['name']}-{digest}",
            "labels": labels,
            "annotations": {**annotations, REVISION: str(revision)},
            "ownerReferences": [{**owner, "blockOwnerDeletion": True}],
        },
        "spec": {
            "replicas": deployment["spec"]["replicas"],
            "selector": {"matchLabels": {**deployment["spec"]["selector"]["matchLabels"], HASH: digest}},
            "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
        },
    }


def _status(deployment: Json, sets: list[Json], current: Json) -> Json:
    def total(name: str) -> int:
        return sum(one["status"].get(name, 0) for one in sets)

    ready, wanted = total("readyReplicas"), deployment["spec"]["replicas"]
    status: Json = {"observedGeneration": deployment["metadata"]["generation"], "replicas": total("replicas")}
    status["updatedReplicas"] = current["status"].get("replicas", 0)
    counts = {"readyReplicas": ready, "availableReplicas": ready, "unavailableReplicas": wanted - ready}
    status |= {name: count for name, count in counts.items() if count > 0}
    status = {name: value for name, value in status.items() if value or name == "observedGeneration"}
    done = "True" if ready >= wanted else "False"
    return {
        **status,
        "conditions": [
            {"type": "Available", "status": done, "reason": "MinimumReplicasAvailable"},
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
        ],
    }
