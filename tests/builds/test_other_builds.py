"""Parts of two builds speak to each other during an upgrade: what one does not know of the other stops neither."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import ValidationError
from temporalio.api.common.v1 import Payload

from activities.breaker.drivers.envoy import EnvoyProtector
from models.alert import AlertReference, AlertStatus, Severity
from models.catalog import LimitAction
from models.incident import Approval, Phase
from models.lease import Lease
from workers.conversion import data_converter
from workers.gateway.reconciler import Standing

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
LEASE = Lease(
    id="01LEASE",
    owner="01OWNER",
    service="payments",
    protection=LimitAction(max_requests=1),
    expires_at=NOON,
    active=True,
)
ALERT = AlertReference(
    id=1,
    fingerprint="f",
    status=AlertStatus.FIRING,
    severity=Severity.CRITICAL,
    starts_at=NOON,
    received_at=NOON,
)


def said_by_a_later_build(value: object) -> bytes:
    """*value* in JSON, with a field that this build does not know in each of its objects."""
    payload = data_converter.payload_converter.to_payload(value)
    return json.dumps(json.loads(payload.data, object_hook=lambda said: {**said, "later": 1})).encode()


def test_a_signal_of_a_later_build_is_read() -> None:
    payload = Payload(metadata={"encoding": b"json/plain"}, data=said_by_a_later_build([ALERT]))
    assert data_converter.payload_converter.from_payload(payload, list[AlertReference]) == [ALERT]


def test_what_is_wrong_in_a_message_is_an_error_as_before() -> None:
    payload = Payload(metadata={"encoding": b"json/plain"}, data=b'{"reason": "nobody said who"}')
    with pytest.raises(ValidationError, match="by"):
        data_converter.payload_converter.from_payload(payload, Approval)


def test_a_slip_of_a_person_is_an_error_as_before() -> None:
    with pytest.raises(ValidationError, match="plna"):
        Approval.model_validate_json('{"by": "somebody", "plna": "a hash"}')


class LaterControlPlane(BaseHTTPRequestHandler):
    def do_DELETE(self) -> None:
        body = said_by_a_later_build(LEASE)
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def later_control_plane() -> Generator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), LaterControlPlane)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    serving.join()
    server.server_close()


async def test_the_answer_of_a_control_plane_that_was_replaced_first_is_read(later_control_plane: str) -> None:
    protector = EnvoyProtector(later_control_plane, "token")
    assert await protector.release(LEASE.id) == LEASE
    await protector.close()


def test_where_an_incident_stands_is_read_whatever_form_the_plans_of_its_build_have() -> None:
    answer = {"incident": "01OWNER", "phase": "executing", "plan": {"rollback": {"form": "of another build"}}}
    payload = data_converter.payload_converter.to_payload(answer)
    assert data_converter.payload_converter.from_payload(payload, Standing).phase is Phase.EXECUTING
