"""The application's client against a real HTTP server: what it sends, what it makes of each answer, and its silence."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sternway_guard import IncidentClient, SternwayRefused, SternwayUnavailable

from models.incident import Modules
from models.report import IncidentReport

TAKEN = {
    "state": "opened",
    "incident": "01JZZZZZZZZZZZZZZZZZZZZZZZ",
    "workflow": "incident:eu:payments:abc",
    "links": {"gateway": "http://127.0.0.1:1/v1/incidents/01JZZZZZZZZZZZZZZZZZZZZZZZ"},
}
TOKEN = "a-token-of-ours"


@dataclass
class Gateway:
    """Answers every request with what it was told to, and keeps what it was asked."""

    url: str = ""
    status: int = 202
    body: bytes = json.dumps(TAKEN).encode()
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    gateway = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            gateway.asked.append((self.command, self.path, headers, json.loads(body) if body else None))
            self.send_response(gateway.status)
            for name, value in gateway.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(gateway.body)))
            self.end_headers()
            self.wfile.write(gateway.body)

        do_GET = do_POST  # noqa: N815 -- the name is the server's

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        gateway.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield gateway
        server.shutdown()
        thread.join()


@pytest.fixture
def client(gateway: Gateway) -> IncidentClient:
    return IncidentClient(gateway.url, TOKEN, timeout=5)


def test_a_report_is_what_the_gateway_reads_and_the_answer_names_the_incident(
    gateway: Gateway, client: IncidentClient
) -> None:
    started = client.start(
        service="payments",
        region="eu",
        reason="checkout fails",
        level="protect",
        severity="warning",
        coordination="parallel",
        impact={"revenue_per_minute": 40.5, "customers": 3},
        modules={"mesh": False},
    )
    assert (started.incident, started.workflow, started.state) == (TAKEN["incident"], TAKEN["workflow"], "opened")
    assert started.links == TAKEN["links"]
    ((method, path, headers, body),) = gateway.asked
    assert (method, path) == ("POST", "/v1/incidents")
    assert headers["authorization"] == f"Bearer {TOKEN}"
    report = IncidentReport.model_validate(body)
    assert report.impact is not None
    assert (report.impact.revenue_per_minute, report.impact.customers) == (40.5, 3)
    assert report.modules == Modules(mesh=False)
    assert (report.level, report.severity, report.coordination) == ("protect", "warning", "parallel")


def test_what_is_left_out_is_left_to_the_catalog(gateway: Gateway, client: IncidentClient) -> None:
    client.start(service="payments", reason="checkout fails")
    assert gateway.asked[0][3] == {"service": "payments", "reason": "checkout fails"}


def test_a_key_makes_a_second_call_the_same_report_and_without_one_each_is_its_own(
    gateway: Gateway, client: IncidentClient
) -> None:
    for key in ("deploy-17", "deploy-17", None, None):
        client.start(service="payments", reason="checkout fails", key=key)
    keys = [headers["idempotency-key"] for _, _, headers, _ in gateway.asked]
    assert keys[:2] == ["deploy-17", "deploy-17"]
    assert len(set(keys)) == 3


def test_a_pending_report_and_a_reduced_level_are_said(gateway: Gateway, client: IncidentClient) -> None:
    gateway.body = json.dumps({"state": "pending", "delivery": 4, "workflow": "incident:eu:payments:abc"}).encode()
    pending = client.start(service="payments", reason="checkout fails")
    assert (pending.incident, pending.state, pending.links) == (None, "pending", {})
    gateway.body = json.dumps(TAKEN | {"note": "full was reduced to protect"}).encode()
    assert client.start(service="payments", reason="checkout fails").note == "full was reduced to protect"


def test_an_incident_is_read_by_its_id(gateway: Gateway, client: IncidentClient) -> None:
    gateway.status, gateway.body = 200, b'{"phase": "resolved"}'
    assert client.get("01J/..") == {"phase": "resolved"}
    assert gateway.asked[0][:2] == ("GET", "/v1/incidents/01J%2F..")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_no_is_refused_with_the_gateways_reason(gateway: Gateway, client: IncidentClient, status: int) -> None:
    gateway.status, gateway.body = status, b'{"detail": "there is no service \\"paymnts\\""}'
    with pytest.raises(SternwayRefused, match='there is no service "paymnts"') as caught:
        client.start(service="paymnts", reason="checkout fails")
    assert caught.value.status == status
    assert TOKEN not in str(caught.value)


def test_a_validation_error_is_told_in_full(gateway: Gateway, client: IncidentClient) -> None:
    gateway.status, gateway.body = 422, b'{"detail": [{"loc": ["reason"], "msg": "too short"}]}'
    with pytest.raises(SternwayRefused, match=r'"loc": \["reason"\].*too short'):
        client.start(service="payments", reason="")


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_busy_gateway_is_unavailable(gateway: Gateway, client: IncidentClient, status: int) -> None:
    gateway.status, gateway.body = status, b"<html>try later</html>"
    with pytest.raises(SternwayUnavailable, match=str(status)):
        client.start(service="payments", reason="checkout fails")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"workflow": "w", "links": "l"}', b"\xff"])
def test_an_answer_of_another_server_is_no_incident(gateway: Gateway, client: IncidentClient, body: bytes) -> None:
    gateway.body = body
    with pytest.raises(SternwayUnavailable):
        client.start(service="payments", reason="checkout fails")


def test_the_token_does_not_follow_a_redirect(gateway: Gateway, client: IncidentClient) -> None:
    gateway.status, gateway.headers = 302, {"Location": f"{gateway.url}/elsewhere"}
    with pytest.raises(SternwayRefused, match="302"):
        client.get("01J")
    assert len(gateway.asked) == 1


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def nobody() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("where", ["silent", "nobody"])
def test_without_an_answer_start_raises_and_try_start_only_logs(
    where: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    client = IncidentClient(request.getfixturevalue(where), TOKEN, timeout=0.2)
    with pytest.raises(SternwayUnavailable, match="gives no answer"):
        client.start(service="payments", reason="checkout fails")
    with caplog.at_level(logging.ERROR, "sternway_guard"):
        assert client.try_start(service="payments", reason="checkout fails") is None
    assert "no incident was started for payments" in caplog.text
    assert TOKEN not in caplog.text


def test_try_start_survives_what_the_application_does_wrong(client: IncidentClient) -> None:
    no_json: Any = object()
    assert client.try_start(service="payments", reason=no_json) is None


@pytest.mark.parametrize(
    ("url", "token", "message"),
    [
        ("127.0.0.1:8440", TOKEN, "must look like https"),
        ("file:///etc/passwd", TOKEN, "must look like https"),
        ("http://127.0.0.1", "", "reports in the gateway's STERNWAY_ALERT_TOKENS"),
        ("http://127.0.0.1", "a\nb", "reports in the gateway's STERNWAY_ALERT_TOKENS"),
    ],
)
def test_a_wrong_set_up_is_said_at_once(url: str, token: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        IncidentClient(url, token)


def test_the_token_is_in_no_representation() -> None:
    assert TOKEN not in repr(IncidentClient("http://127.0.0.1", TOKEN))
