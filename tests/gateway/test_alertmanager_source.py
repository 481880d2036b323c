"""Alertmanager's messages, real ones among them, as signals and as alerts with a place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.alert import AlertStatus, Severity
from tests.gateway.running_gateway import CATALOG, alert, message
from workers.gateway.placing import place
from workers.gateway.sources.alertmanager import read
from workers.gateway.sources.source import Signal, Unreadable

PAYLOADS = Path(__file__).parents[3] / "shared" / "payloads" / "alertmanager"
real = pytest.mark.skipif(not PAYLOADS.is_dir(), reason="the collected payloads are not beside this repository")


def payload(name: str) -> tuple[Signal, ...]:
    return read((PAYLOADS / f"{name}.json").read_bytes())


@real
def test_a_group_keeps_its_identity_while_it_grows_and_is_resolved() -> None:
    single, grown, resolved = (
        payload(name) for name in ("am025_firing_single", "am025_grouped_firing_3", "am025_resolved")
    )
    assert [len(signals) for signals in (single, grown, resolved)] == [1, 3, 2]
    assert len({signal.group for signals in (single, grown, resolved) for signal in signals}) == 1
    assert single[0] in grown
    assert {signal.status for signal in resolved} == {AlertStatus.RESOLVED}
    assert {signal.fingerprint for signal in resolved} < {signal.fingerprint for signal in grown}
    assert grown[0].name == "CheckoutErrorRatioHigh"
    assert grown[0].summary == "error ratio 0.9 on checkout"


@real
def test_a_message_without_fingerprints_gets_stable_ones() -> None:
    (first,), (again,) = payload("alerta_prometheus_v4_alert"), payload("alerta_prometheus_v4_alert")
    assert first == again
    assert len(first.fingerprint) == 16
    assert first.starts_at.isoformat() == "2017-08-03T19:17:37.804000+00:00"


def test_alerts_without_a_group_key_are_groups_of_their_own() -> None:
    body = {**message(alert("f1"), alert("f2")), "groupKey": ""}
    assert [signal.group for signal in read(json.dumps(body).encode())] == ["sternway:f1", "sternway:f2"]


def test_nanoseconds_and_unknown_fields_are_read_over() -> None:
    newer = {**alert(), "startsAt": "2026-11-23T14:50:00.123456789Z", "silencedBy": [], "x": {"y": 1}}
    (signal,) = read(json.dumps({**message(newer), "truncatedAlerts": 3, "notificationReason": "new"}).encode())
    assert signal.starts_at.microsecond == 123456


@pytest.mark.parametrize(
    ("label", "severity"),
    [
        ("critical", Severity.CRITICAL),
        ("CRITICAL", Severity.CRITICAL),
        ("page", Severity.CRITICAL),
        ("warning", Severity.WARNING),
        ("ticket", Severity.WARNING),
        ("info", Severity.INFO),
        ("none", Severity.INFO),
        ("", Severity.WARNING),
        ("purple", Severity.WARNING),
    ],
)
def test_severities_are_three(label: str, severity: Severity) -> None:
    (signal,) = read(json.dumps(message(alert(severity=label))).encode())
    assert place("alertmanager", signal, CATALOG.catalog).severity is severity


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_nothing_but_unreadable_is_ever_raised_for_a_body(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read(body)


@given(st.sampled_from([*alert(), "receiver", "groupKey", "alerts"]), json_values)
def test_nothing_but_unreadable_is_ever_raised_for_a_field(field: str, value: object) -> None:
    body = message({**alert(), field: value}) if field in alert() else {**message(alert()), field: value}
    try:
        signals = read(json.dumps(body).encode())
    except Unreadable as unreadable:
        assert str(unreadable)
    else:
        assert all(place("alertmanager", signal, CATALOG.catalog).group for signal in signals)
