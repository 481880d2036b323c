"""A Kubernetes API server for tests: real HTTP, the real wire, three kinds, and what goes wrong on demand.

It keeps to what the real one answers, also where that is odd (a JSON patch whose ``test`` fails is 422 and does not say
so; a resourceVersion in the body that is not the present one is 409), and to the Role that a token has.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from tests.kubernetes import discovery
from tests.kubernetes.controller import Controller
from tests.kubernetes.kinds import KINDS, Kind
from tests.kubernetes.patches import json_patch, merge_patch, strategic_patch
from tests.kubernetes.says import ApiFailure, Json, bad_request, forbidden, unauthorized, unsupported
from tests.kubernetes.selectors import fields_match, labels_match
from tests.kubernetes.store import Event, Store

PATCHES: dict[str, Callable[[Any, Any], Any]] = {
    "application/json-patch+json": json_patch,
    "application/merge-patch+json": merge_patch,
    "application/strategic-merge-patch+json": strategic_patch,
}
Fault = Literal["lost", "lost after effect", "500", "429"]
"""The connection breaks before, or after, the request took effect; or an answer with that code."""


@dataclass(frozen=True)
class Request:
    method: str
    kind: Kind
    namespace: str | None
    name: str | None
    scale: bool
    query: dict[str, str]
    body: Any
    media: str

    @property
    def verb(self) -> str:
        if self.method == "GET" and self.name is None:
            return "watch" if self.query.get("watch") in ("true", "1") else "list"
        return {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[self.method]


class KubernetesApi:
    """Use as a context manager; it leaves no thread behind that would do anything."""

    def __init__(self) -> None:
        self.store = Store()
        self.rules: dict[str, list[Json]] = {}
        """By token, the rules of its Role. Whoever has no token is an admin, as behind ``kubectl proxy``; kubectl sends
        none without TLS."""
        self.on_request: Callable[[Request], Fault | None] = lambda _: None
        """Called before each request for objects; it may write to the store first, as somebody who was faster."""
        self.stopped = threading.Event()
        handler = type("Handler", (_Handler,), {"api": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> KubernetesApi:
        self.controller = Controller(self.store)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.controller.stop()
        with self.store.changed:
            self.store.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def authorize(self, token: str, request: Request) -> None:
        if not token:
            return
        if token not in self.rules:
            raise unauthorized()
        resource = f"{request.kind.plural}/scale" if request.scale else request.kind.plural
        allowed = any(
            request.kind.group in rule["apiGroups"] and resource in rule["resources"] and request.verb in rule["verbs"]
            for rule in self.rules[token]
        )
        if not allowed:
            user, namespace = "system:serviceaccount:sternway:sternway", request.namespace or ""
            raise forbidden(user, request.verb, request.kind.group, resource, namespace)

    def answer(self, request: Request) -> tuple[int, Json]:
        """What is not a watch. Raises ``ApiFailure``."""
        kind, namespace, name = request.kind, request.namespace, request.name
        if request.method == "GET" and name is None:
            with self.store.changed:
                version, found = self.store.version, self.store.list(kind, namespace)
            items = [one for one in found if _selected(one, request.query)]
            meta = {"resourceVersion": str(version)}
            return 200, {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta, "items": items}
        if namespace is None:
            raise bad_request("an empty namespace may not be set")
        if request.method == "POST":
            return 201, self.store.create(kind, namespace, request.body)
        assert name is not None
        if request.method == "GET":
            found = self.store.get(kind, namespace, name)
            return 200, _scale(found) if request.scale else found
        if request.method == "DELETE":
            return 200, self.store.delete(kind, namespace, name)
        kept = self.store.update(kind, namespace, name, lambda before: self._made(request, before))
        return 200, _scale(kept) if request.scale else kept

    def _made(self, request: Request, before: Json) -> Json:
        shown = _scale(before) if request.scale else before
        if request.method == "PUT":
            made = request.body
        elif patch := PATCHES.get(request.media):
            made = patch(shown, request.body)
        else:
            raise unsupported(request.media)
        if not request.scale:
            return made
        version = made["metadata"].get("resourceVersion", before["metadata"]["resourceVersion"])
        metadata = {**before["metadata"], "resourceVersion": version}
        return {**before, "metadata": metadata, "spec": {**before["spec"], "replicas": made["spec"]["replicas"]}}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that has gone is no error
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    api: KubernetesApi
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _serve(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fixed = discovery.answers().get(url.path) or discovery.namespace(url.path)
        if fixed is not None and self.command == "GET":
            return self._send(200, fixed)
        try:
            request = self._request(url.path, query, body)
            self.api.authorize((self.headers.get("authorization") or "").removeprefix("Bearer "), request)
            self._carry_out(request)
        except ApiFailure as failure:
            self._send(failure.code, failure.status)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 -- named by the standard library

    def _request(self, path: str, query: dict[str, str], body: bytes) -> Request:
        parts = path.strip("/").split("/")
        if len(parts) < 4 or parts[0] != "apis":
            raise ApiFailure(404, "NotFound", "the server could not find the requested resource")
        group, version, *rest = parts[1:]
        namespace = None
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        kind = next((k for k in KINDS if (k.group, k.version, k.plural) == (group, version, rest[0])), None)
        if kind is None or (len(rest) == 3 and not (rest[2] == "scale" and kind.scalable)):
            raise ApiFailure(404, "NotFound", "the server could not find the requested resource")
        try:
            content = json.loads(body) if body else None
        except ValueError as error:
            raise bad_request(str(error)) from error
        media = (self.headers.get("content-type") or "").partition(";")[0]
        return Request(
            self.command, kind, namespace, rest[1] if len(rest) > 1 else None, len(rest) == 3, query, content, media
        )

    def _carry_out(self, request: Request) -> None:
        fault = self.api.on_request(request)
        if fault == "lost":
            return self._break_off()
        if fault in ("500", "429"):
            reason = {"500": "InternalError", "429": "TooManyRequests"}[fault]
            raise ApiFailure(int(fault), reason, "the server was told to say so")
        if request.verb == "watch":
            return self._watch(request)
        code, answer = self.api.answer(request)
        if fault == "lost after effect":
            return self._break_off()
        self._send(code, answer)

    def _break_off(self) -> None:
        self.close_connection = True

    def _send(self, code: int, answer: Json) -> None:
        content = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _watch(self, request: Request) -> None:
        """Events since the resourceVersion, or first what there is, until the time that the client asked for."""
        deadline = time.monotonic() + float(request.query.get("timeoutSeconds") or 300)
        store = self.api.store
        with store.changed:
            since = int(request.query.get("resourceVersion") or 0)
            first = [Event(0, "ADDED", request.kind, one) for one in store.list(request.kind, request.namespace)]
            seen = since or store.version
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            self._tell(request, [] if since else first)
            while not self.api.stopped.is_set() and time.monotonic() < deadline:
                with store.changed:
                    if store.version == seen:
                        store.changed.wait(timeout=0.5)
                    fresh = [one for one in store.events if one.version > seen and one.kind is request.kind]
                    seen = store.version
                self._tell(request, fresh)
            self.wfile.write(b"0\r\n\r\n")
        except OSError:  # the client has gone
            self.close_connection = True

    def _tell(self, request: Request, events: Iterable[Event]) -> None:
        for event in events:
            there = event.object["metadata"]["namespace"] == request.namespace or request.namespace is None
            if there and _selected(event.object, request.query):
                line = json.dumps({"type": event.type, "object": event.object}).encode() + b"\n"
                self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")


def _selected(obj: Json, query: dict[str, str]) -> bool:
    labels = obj["metadata"].get("labels") or {}
    return labels_match(labels, query.get("labelSelector", "")) and fields_match(obj, query.get("fieldSelector", ""))


def _scale(obj: Json) -> Json:
    meta = obj["metadata"]
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: meta[name] for name in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")},
        "spec": {"replicas": obj["spec"]["replicas"]},
        "status": {"replicas": obj["status"].get("replicas", 0)},
    }
