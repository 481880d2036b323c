"""The webhook message, version 4, exactly as Alertmanager forms it, so that one can take the other's place.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config. One group for each region and service.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from models.alert import AlertStatus
from workers.watch.burn import Rate, Slo
from workers.watch.detector import Alarm

RECEIVER = "sternway"
_NEVER = "0001-01-01T00:00:00Z"
_NAMES = {Slo.AVAILABILITY: "ServiceAvailabilityBurn", Slo.LATENCY: "ServiceLatencyBurn"}


@dataclass(frozen=True)
class Origin:
    """Where the numbers of a message can be looked up, for people."""

    generator: str
    external: str


def message(
    region: str, service: str, firing: tuple[Alarm, ...], resolved: tuple[Alarm, ...], now: float, origin: Origin
) -> bytes:
    """All alerts of one group: those that fire and those that were resolved at *now* (seconds since 1970)."""
    group = {"region": region, "service": service}
    alerts = [_alert(region, alarm, None, origin) for alarm in firing]
    alerts += [_alert(region, alarm, now, origin) for alarm in resolved]
    document = {
        "receiver": RECEIVER,
        "status": AlertStatus.FIRING if firing else AlertStatus.RESOLVED,
        "alerts": alerts,
        "groupLabels": group,
        "commonLabels": _common([alert["labels"] for alert in alerts]),
        "commonAnnotations": _common([alert["annotations"] for alert in alerts]),
        "externalURL": origin.external,
        "version": "4",
        "groupKey": "{}:{" + ", ".join(f'{name}="{value}"' for name, value in group.items()) + "}",
        "truncatedAlerts": 0,
    }
    return json.dumps(document).encode()


def fingerprint(labels: dict[str, str]) -> str:
    """Prometheus's own: 64-bit FNV-1a over the sorted names and values, each followed by the byte 255."""
    digest = 0xCBF29CE484222325
    for name in sorted(labels):
        for byte in name.encode() + b"\xff" + labels[name].encode() + b"\xff":
            digest = (digest ^ byte) * 0x100000001B3 % 2**64
    return f"{digest:016x}"


def _alert(region: str, alarm: Alarm, ended: float | None, origin: Origin) -> dict[str, object]:
    labels = {
        "alertname": _NAMES[alarm.slo],
        "region": region,
        "service": alarm.service,
        "severity": str(alarm.severity),
        "slo": str(alarm.slo),
    }
    return {
        "status": AlertStatus.FIRING if ended is None else AlertStatus.RESOLVED,
        "labels": labels,
        "annotations": {"summary": _summary(region, alarm)},
        "startsAt": _time(alarm.since),
        "endsAt": _NEVER if ended is None else _time(ended),
        "generatorURL": origin.generator,
        "fingerprint": fingerprint(labels),
    }


def _summary(region: str, alarm: Alarm) -> str:
    long, short, factor = alarm.burn.long, alarm.burn.short, alarm.burn.window.factor
    bad = "failed" if alarm.slo is Slo.AVAILABILITY else "were too slow"
    return (
        f"{alarm.service} in {region}: {_share(long)} {bad}, and {_share(short)}: the budget of {long.budget:.4g} "
        f"burns {long.burn:.3g} and {short.burn:.3g} times as fast as it may; the limit is {factor:g}"
    )


def _share(rate: Rate) -> str:
    share = rate.bad / rate.requests if rate.requests else 0.0
    return f"{share:.1%} of {rate.requests} requests in {_seconds(rate.seconds)}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def _common(sets: list[object]) -> dict[str, str]:
    """The pairs that all of these mappings have."""
    first, *others = [dict[str, str](found) for found in sets if isinstance(found, dict)]  # pyright: ignore[reportUnknownArgumentType] -- made above
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
