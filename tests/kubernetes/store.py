"""What the double's etcd holds: objects, one resourceVersion for all writes, and every event for whoever watches."""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.kubernetes.kinds import KINDS, Kind, checked
from tests.kubernetes.says import Json, already_exists, conflict, not_found


@dataclass(frozen=True)
class Event:
    version: int
    type: str
    kind: Kind
    object: Json


class Store:
    """Safe to use from any thread. Raises ``ApiFailure``."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.version = 100
        self.events: list[Event] = []
        self._objects: dict[tuple[str, str, str], Json] = {}

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        with self.changed:
            if (kind.plural, namespace, name) not in self._objects:
                raise not_found(kind.group, kind.plural, name)
            return copy.deepcopy(self._objects[kind.plural, namespace, name])

    def list(self, kind: Kind, namespace: str | None) -> list[Json]:
        with self.changed:
            found = [(key, obj) for key, obj in self._objects.items() if key[0] == kind.plural]
            return [copy.deepcopy(obj) for key, obj in sorted(found) if namespace in (None, key[1])]

    def create(self, kind: Kind, namespace: str, obj: Json) -> Json:
        with self.changed:
            name = obj["metadata"]["name"]
            if (kind.plural, namespace, name) in self._objects:
                raise already_exists(kind.group, kind.plural, name)
            kept = checked(kind, {**obj, "apiVersion": kind.api_version, "kind": kind.kind}, None)
            kept["status"] = {}
            kept["metadata"] |= {
                "namespace": namespace,
                "uid": str(uuid.uuid4()),
                "creationTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
            if kind.generation:
                kept["metadata"]["generation"] = 1
            return self._keep(kind, namespace, kept, "ADDED")

    def update(self, kind: Kind, namespace: str, name: str, make: Callable[[Json], Json]) -> Json:
        """Of what *make* makes, all but the status. A resourceVersion in it must be the present one."""
        with self.changed:
            before = self.get(kind, namespace, name)
            made = make(copy.deepcopy(before))
            if (
                made["metadata"].get("resourceVersion", before["metadata"]["resourceVersion"])
                != (before["metadata"]["resourceVersion"])
            ):
                raise conflict(kind.group, kind.plural, name)
            kept = checked(kind, made, before)
            kept["status"] = before["status"]
            for fixed in ("name", "namespace", "uid", "creationTimestamp", "generation", "resourceVersion"):
                if fixed in before["metadata"]:
                    kept["metadata"][fixed] = before["metadata"][fixed]
            if kept == before:
                return before  # nothing to write: the version stays
            if kind.generation and kind.generation(kept) != kind.generation(before):
                kept["metadata"]["generation"] += 1
            return self._keep(kind, namespace, kept, "MODIFIED")

    def update_status(
        self, kind: Kind, namespace: str, name: str, status: Json, annotations: Json | None = None
    ) -> None:
        """Annotations that come with a status raise no generation."""
        with self.changed:
            kept = self.get(kind, namespace, name)
            before = copy.deepcopy(kept)
            kept["status"] = status
            if annotations:
                kept["metadata"]["annotations"] = {**(kept["metadata"].get("annotations") or {}), **annotations}
            if kept != before:
                self._keep(kind, namespace, kept, "MODIFIED")

    def delete(self, kind: Kind, namespace: str, name: str) -> Json:
        with self.changed:
            gone = self.get(kind, namespace, name)
            del self._objects[kind.plural, namespace, name]
            self._event(kind, gone, "DELETED")
            for other in KINDS:  # what it owned goes with it
                for one in self.list(other, namespace):
                    owners = one["metadata"].get("ownerReferences", ())
                    if any(owner["uid"] == gone["metadata"]["uid"] for owner in owners):
                        self.delete(other, namespace, one["metadata"]["name"])
            return gone

    def _keep(self, kind: Kind, namespace: str, obj: Json, what: str) -> Json:
        self._objects[kind.plural, namespace, obj["metadata"]["name"]] = obj
        return self._event(kind, obj, what)

    def _event(self, kind: Kind, obj: Json, what: str) -> Json:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        self.events.append(Event(self.version, what, kind, copy.deepcopy(obj)))
        self.changed.notify_all()
        return copy.deepcopy(obj)
