"""The watcher's webhook has the very shape of a real Alertmanager's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.alert import AlertStatus, Severity
from workers.gateway.sources.alertmanager import read
from workers.watch.burn import Burn, Rate, Slo, State
from workers.watch.detector import Alarm
from workers.watch.message import Origin, fingerprint, message
from workers.watch.windows import BurnWindow

PAYLOADS = Path(__file__).parents[3] / "shared" / "payloads" / "alertmanager"
ORIGIN = Origin("http://127.0.0.1:9901", "http://watcher")
WINDOW = BurnWindow(3600, 300, 14.4, Severity.CRITICAL)
BURN = Burn(Slo.AVAILABILITY, WINDOW, State.BURNING, Rate(3600, 2000, 100, 0.001), Rate(300, 200, 90, 0.001))
ALARM = Alarm("payments", Slo.AVAILABILITY, Severity.CRITICAL, 1_790_000_000.5, BURN)
SLOW = Alarm("payments", Slo.LATENCY, Severity.CRITICAL, 1_790_000_001.5, BURN)


def theirs(name: str) -> dict[str, Any]:
    file = PAYLOADS / name
    if not file.exists():
        pytest.skip(f"{file} is not there: recorded payloads are kept outside the repository")
    return json.loads(file.read_text())


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("am025_firing_single.json", message("eu", "payments", (ALARM,), (), 0, ORIGIN)),
        ("am025_resolved.json", message("eu", "payments", (), (ALARM, SLOW), 1_790_000_100, ORIGIN)),
    ],
)
def test_it_has_the_fields_and_types_of_a_recorded_one(name: str, body: bytes) -> None:
    recorded, ours = theirs(name), json.loads(body)
    assert {k: type(v) for k, v in ours.items()} == {k: type(v) for k, v in recorded.items()}
    one, other = ours["alerts"][0], recorded["alerts"][0]
    assert {k: type(v) for k, v in one.items()} == {k: type(v) for k, v in other.items()}
    assert len(one["startsAt"]) == len(other["startsAt"])
    if name == "am025_firing_single.json":
        assert one["endsAt"] == other["endsAt"]


def test_fingerprints_are_prometheus_own() -> None:
    for alert in theirs("am025_grouped_firing_3.json")["alerts"]:
        assert fingerprint(alert["labels"]) == alert["fingerprint"]


def test_the_gateway_reads_it() -> None:
    firing, ended = read(message("eu", "payments", (ALARM,), (SLOW,), 1_790_000_100, ORIGIN))
    assert (firing.status, ended.status) == (AlertStatus.FIRING, AlertStatus.RESOLVED)
    assert (firing.name, ended.name) == ("ServiceAvailabilityBurn", "ServiceLatencyBurn")
    assert firing.labels["service"] == "payments"
    assert firing.labels["region"] == "eu"
    assert firing.fingerprint != ended.fingerprint
    assert firing.group == ended.group


def test_the_summary_gives_the_numbers() -> None:
    summary = json.loads(message("eu", "payments", (ALARM,), (), 0, ORIGIN))["alerts"][0]["annotations"]["summary"]
    assert "5.0% of 2000 requests in 3600 s failed" in summary
    assert "45.0% of 200 requests in 300 s" in summary
    assert "the limit is 14.4" in summary


def test_a_group_is_firing_while_one_of_its_alerts_is() -> None:
    mixed = json.loads(message("eu", "payments", (ALARM,), (SLOW,), 1_790_000_100, ORIGIN))
    assert mixed["status"] == "firing"
    assert mixed["commonLabels"] == {"region": "eu", "service": "payments", "severity": "critical"}
