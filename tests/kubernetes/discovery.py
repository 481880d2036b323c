"""What clients ask first: which groups, versions and kinds there are."""

from __future__ import annotations

from tests.kubernetes.kinds import KINDS, Kind
from tests.kubernetes.says import Json

VERSION = {"major": "1", "minor": "32", "gitVersion": "v1.32.0", "platform": "linux/amd64"}
VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
NAMESPACES = {
    "name": "namespaces",
    "singularName": "namespace",
    "namespaced": False,
    "kind": "Namespace",
    "verbs": ["get"],
}


def answers() -> dict[str, Json]:
    """By path."""
    groups = sorted({(kind.group, kind.version) for kind in KINDS})
    pages: dict[str, Json] = {
        "/version": VERSION,
        "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
        "/api/v1": _resources("v1", [NAMESPACES]),
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*one) for one in groups]},
        "/openapi/v3": {
            "paths": {f"apis/{g}/{v}": {"serverRelativeURL": f"/openapi/v3/apis/{g}/{v}"} for g, v in groups}
        },
    }
    for group, version in groups:
        kinds = [kind for kind in KINDS if (kind.group, kind.version) == (group, version)]
        pages[f"/apis/{group}/{version}"] = _resources(f"{group}/{version}", [one for k in kinds for one in _named(k)])
        pages[f"/openapi/v3/apis/{group}/{version}"] = _openapi(kinds)
    return pages


def namespace(path: str) -> Json | None:
    """Every namespace is there."""
    before, _, name = path.rpartition("/")
    return (
        {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}
        if before == "/api/v1/namespaces"
        else None
    )


def _group(name: str, version: str) -> Json:
    there = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [there], "preferredVersion": there}


def _resources(group_version: str, resources: list[Json]) -> Json:
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}


def _named(kind: Kind) -> list[Json]:
    named = {"name": kind.plural, "singularName": kind.kind.lower(), "namespaced": True, "kind": kind.kind}
    whole = {**named, "verbs": VERBS, "shortNames": [kind.short], "categories": ["all"]}
    if not kind.scalable:
        return [whole]
    scale = {"group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"]}
    return [whole, {**named, "name": f"{kind.plural}/scale", "singularName": "", **scale}]


def _openapi(kinds: list[Kind]) -> Json:
    """As much as kubectl reads before it applies: that the server checks the fields itself."""
    checks = [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}]
    paths: Json = {}
    for kind in kinds:
        what = {"group": kind.group, "version": kind.version, "kind": kind.kind}
        patch = {"parameters": checks, "x-kubernetes-group-version-kind": what, "x-kubernetes-action": "patch"}
        paths[f"/apis/{kind.group}/{kind.version}/namespaces/{{namespace}}/{kind.plural}/{{name}}"] = {"patch": patch}
    return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.32.0"}, "paths": paths}
