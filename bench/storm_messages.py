"""What a storm says: a catalog with its services, alerts about them, and the messages that carry these."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bench.way import CATALOG
from workers.local.world import REGION

SIZES = (100, 1_000, 10_000)
ALERTS_A_SERVICE = 100
SERVICES = tuple(f"storm{number}" for number in range(SIZES[-1] // ALERTS_A_SERVICE))
STRUCK = SERVICES[19::20]
"""Those of a large storm that get a critical alert, in this order."""


def catalog() -> str:
    policies, services = CATALOG.split("services:\n")
    storm = "".join(
        f'  {name}: {{tier: 3, regions: [eu], port: "${{{name.upper()}}}", releases: [v2, v1], '
        f"policy: {'struck' if name in STRUCK else 'storm'}, slos: {{availability: {{objective: 99}}}}}}\n"
        for name in SERVICES
    )
    calm, struck = "{level: protect}", "{level: protect, protect: {action: limit, max_requests: 64}, lease: 600}"
    return f"{policies}  storm: {calm}\n  struck: {struck}\nservices:\n{services}{storm}"


def alerts(storm: str, number: int, services: Sequence[str]) -> list[dict[str, Any]]:
    return [alert(storm, one, services[one % len(services)], "warning") for one in range(number)]


def alert(storm: str, number: int, service: str, severity: str) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {
            "alertname": "ErrorsHigh",
            "service": service,
            "region": REGION,
            "severity": severity,
            "instance": f"10.0.{number // 256}.{number % 256}:9090",
        },
        "annotations": {"summary": f"instance {number} fails more requests than it may"},
        "startsAt": "2026-01-31T12:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph?g0.expr=errors&g0.tab=1",
        "fingerprint": f"{storm}-{number:06}",
    }


def body(group: str, firing: list[dict[str, Any]]) -> bytes:
    whole = {"version": "4", "receiver": "bench", "groupKey": group, "status": "firing", "alerts": firing}
    return json.dumps(whole).encode()
