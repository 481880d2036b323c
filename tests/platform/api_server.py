"""A double of the Kubernetes API server that speaks its wire: discovery, lists, watches, guarded writes, ``Status``.

It is exercised with the real kubectl in ``test_kubectl.py``, which is as near to a real one as it gets here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.platform.cluster import (
    KINDS,
    Cluster,
    Kind,
    Object,
    Refusal,
    json_patch,
    merge_patch,
    strategic_merge_patch,
)
from tests.waiting import until

PATCHES: dict[str, Callable[[Object, Any], Object]] = {
    "application/json-patch+json": json_patch,
    "application/merge-patch+json": merge_patch,
    "application/strategic-merge-patch+json": strategic_merge_patch,
}
COLLECTION = "/apis/{group}/{version}/namespaces/default/{plural}"


@dataclass
class ApiServer:
    cluster: Cluster = field(default_factory=Cluster)
    token: str | None = None
    """What it asks for. None: nobody is asked, as kubectl sends none where there is no TLS."""
    before: list[Callable[[], Awaitable[object] | None]] = field(default_factory=list)
    """What happens before each of the next writes is looked at: somebody else was faster."""
    lost: list[bool] = field(default_factory=list)
    """Whether the answer of each of the next writes is lost after it took effect."""
    refused: dict[str, int] = field(default_factory=dict)
    """By method: what every request of it is answered with."""
    asked: set[tuple[str, str, str]] = field(default_factory=set)
    """Group, resource and verb of every request, as RBAC names them."""
    written: list[Object] = field(default_factory=list)
    """What every patch asked for."""
    url: str = ""

    async def respond(self, request: Request) -> Response:
        try:
            if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
                raise Refusal(401, "Unauthorized", "Unauthorized")
            if code := self.refused.get(request.method):
                raise Refusal(code, "Unknown", "as the test wishes")
            return await self._answer(request)
        except Refusal as refusal:
            return JSONResponse(_status(refusal), refusal.code)

    async def _answer(self, request: Request) -> Response:
        plural, name = request.path_params["plural"], request.path_params.get("name")
        kind = KINDS.get(plural)
        if kind is None or (kind.group, kind.version) != (request.path_params["group"], request.path_params["version"]):
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        verb = "list" if request.method == "GET" and name is None else request.method.lower()
        self.asked.add((kind.group, plural, verb))
        scale = request.url.path.endswith("/scale")
        if request.method == "POST":
            return JSONResponse(self.cluster.create(plural, await request.json()), 201)
        if request.method == "GET" and name is None:
            watch = request.query_params.get("watch") in ("true", "1")
            return self._watch(request, plural) if watch else self._list(request, kind)
        if request.method == "GET":
            found = self.cluster.get(plural, str(name))
            return JSONResponse(_scale(found) if scale else found)
        return await self._write(plural, str(name), await self._change(request), scale)

    async def _change(self, request: Request) -> Callable[[Object], Object]:
        body = await request.json()
        if request.method == "PUT":
            return lambda _: body
        content = request.headers["content-type"].partition(";")[0]
        if content not in PATCHES:
            raise Refusal(415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {content}")
        self.written.append(body)
        return lambda one: PATCHES[content](one, body)

    async def _write(self, plural: str, name: str, change: Callable[[Object], Object], scale: bool) -> Response:
        if self.before:
            happens = self.before.pop(0)()
            if happens is not None:
                await happens
        written = self.cluster.update(plural, name, _of_scale(change) if scale else change)
        if self.lost and self.lost.pop(0):
            await asyncio.Event().wait()
        return JSONResponse(_scale(written) if scale else written)

    def _list(self, request: Request, kind: Kind) -> Response:
        items = [one for one in self.cluster.list(kind.plural) if _selected(request, one)]
        meta = {"resourceVersion": str(self.cluster.version)}
        head = {"apiVersion": kind.api_version, "kind": f"{kind.kind}List", "metadata": meta}
        return JSONResponse({**head, "items": items})

    def _watch(self, request: Request, plural: str) -> Response:
        since = int(request.query_params.get("resourceVersion") or 0)
        seconds = float(request.query_params.get("timeoutSeconds") or 300)

        async def events() -> AsyncIterator[bytes]:
            at = since or self.cluster.version
            for one in [] if since else self.cluster.list(plural):
                if _selected(request, one):
                    yield _line("ADDED", one)
            while True:
                changed = self.cluster.changed
                for event in [one for one in self.cluster.events if one.version > at]:
                    at = event.version
                    if event.plural == plural and _selected(request, event.object):
                        yield _line(event.type, event.object)
                await changed.wait()

        async def bounded() -> AsyncIterator[bytes]:
            try:
                async with asyncio.timeout(seconds):
                    async for line in events():
                        yield line
            except TimeoutError:
                return

        return StreamingResponse(bounded(), media_type="application/json")


def _line(type_: str, one: Object) -> bytes:
    return json.dumps({"type": type_, "object": one}).encode() + b"\n"


def _selected(request: Request, one: Object) -> bool:
    """By equality and existence of labels, and by name."""
    labels = one["metadata"].get("labels", {})
    for term in filter(None, request.query_params.get("labelSelector", "").split(",")):
        name, _, value = term.replace("==", "=").partition("=")
        if name not in labels or ("=" in term and labels[name] != value):
            return False
    name = request.query_params.get("fieldSelector", "").removeprefix("metadata.name=")
    return not name or one["metadata"]["name"] == name


def _scale(one: Object) -> Object:
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    selector = ",".join(f"{name}={value}" for name, value in one["spec"]["selector"]["matchLabels"].items())
    return {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {name: one["metadata"][name] for name in kept},
        "spec": {"replicas": one["spec"]["replicas"]},
        "status": {"replicas": one["status"].get("replicas", 0), "selector": selector},
    }


def _of_scale(change: Callable[[Object], Object]) -> Callable[[Object], Object]:
    def changed(one: Object) -> Object:
        scaled = change(_scale(one))
        one["metadata"]["resourceVersion"] = scaled["metadata"].get("resourceVersion")
        one["spec"]["replicas"] = scaled["spec"]["replicas"]
        return one

    return changed


def _status(refusal: Refusal) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": refusal.message,
        "reason": refusal.reason,
        "details": {},
        "code": refusal.code,
    }


# Discovery


def _versions(_: Request) -> Response:
    return JSONResponse({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})


def _groups(_: Request) -> Response:
    groups = [
        {
            "name": group,
            "versions": [{"groupVersion": f"{group}/{version}", "version": version}],
            "preferredVersion": {"groupVersion": f"{group}/{version}", "version": version},
        }
        for group, version in sorted({(kind.group, kind.version) for kind in KINDS.values()})
    ]
    return JSONResponse({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})


def _resources(request: Request) -> Response:
    of = f"{request.path_params['group']}/{request.path_params['version']}"
    resources: list[Object] = []
    for kind in (kind for kind in KINDS.values() if kind.api_version == of):
        named = {"name": kind.plural, "singularName": kind.kind.lower(), "shortNames": [kind.short]}
        verbs = ["create", "get", "list", "patch", "update", "watch"]
        resources.append({**named, "namespaced": True, "kind": kind.kind, "verbs": verbs})
        if kind.plural == "deployments":
            scale = {"name": "deployments/scale", "singularName": "", "namespaced": True, "kind": "Scale"}
            resources.append({**scale, "group": "autoscaling", "version": "v1", "verbs": ["get", "patch", "update"]})
    return JSONResponse({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": of, "resources": resources})


def _core(_: Request) -> Response:
    namespaces = {"name": "namespaces", "singularName": "namespace", "namespaced": False, "kind": "Namespace"}
    resources = [{**namespaces, "verbs": ["list"]}]  # kubectl takes a group without resources for a broken one
    return JSONResponse({"kind": "APIResourceList", "groupVersion": "v1", "resources": resources})


def _version(_: Request) -> Response:
    return JSONResponse({"major": "1", "minor": "32", "gitVersion": "v1.32.4-double", "platform": "linux/amd64"})


@asynccontextmanager
async def running() -> AsyncIterator[ApiServer]:
    """One on a free port, for as long as the block lasts."""
    double = ApiServer()
    routes = [
        Route("/version", _version),
        Route("/api", _versions),
        Route("/api/v1", _core),
        Route("/apis", _groups),
        Route("/apis/{group}/{version}", _resources),
        Route(COLLECTION, double.respond, methods=["GET", "POST"]),
        Route(f"{COLLECTION}/{{name}}", double.respond, methods=["GET", "PATCH", "PUT"]),
        Route(f"{COLLECTION}/{{name}}/scale", double.respond, methods=["GET", "PATCH", "PUT"]),
    ]
    config = uvicorn.Config(Starlette(routes=routes), port=0, log_config=None, timeout_graceful_shutdown=0)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started, 5, "the API server's double")
    double.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield double
    server.should_exit = True
    await serving


def deployment(service: str, release: str, replicas: int = 0, image: str = "", **metadata: Any) -> Object:
    """The release's own Deployment."""
    labels = {"app.kubernetes.io/name": service, "app.kubernetes.io/version": release}
    return {
        "metadata": {"name": f"{service}-{release}", "labels": {**labels, **metadata.pop("labels", {})}, **metadata},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": service, "image": image or release}]},
            },
        },
    }


def autoscaler(target: str, least: int, most: int, **metadata: Any) -> Object:
    aim = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    return {
        "metadata": {"name": target, **metadata},
        "spec": {"scaleTargetRef": aim, "minReplicas": least, "maxReplicas": most},
    }
