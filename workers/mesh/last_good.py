"""The last-known-good file: what proxies have confirmed, for an Envoy that starts while its control plane is away.

It holds no protection, because nobody would be there to lift it.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable
from pathlib import Path

from workers.mesh.protection import LAYER
from workers.mesh.resource import Kind, Resource, ResourceKey, resource

FILE = "last-known-good.json"


def write(path: Path, resources: Iterable[Resource]) -> None:
    """Replace the file as a whole; after a crash there is the old one or the new one."""
    entries = [
        {"kind": r.key.kind, "name": r.key.name, "version": r.version, "body": base64.b64encode(r.body).decode()}
        for r in resources
        if r.key.kind is not Kind.RUNTIME
    ]
    draft = path.with_suffix(".draft")
    with draft.open("w") as file:
        json.dump({"resources": entries}, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read(path: Path) -> tuple[Resource, ...]:
    """The resources of the file with an empty protection layer; none where there is no file."""
    if not path.exists():
        return ()
    entries = json.loads(path.read_text())["resources"]
    kept = tuple(
        Resource(ResourceKey(Kind(e["kind"]), e["name"]), base64.b64decode(e["body"]), e["version"]) for e in entries
    )
    return (resource(Kind.RUNTIME, LAYER, {"name": LAYER, "layer": {}}), *kept)
