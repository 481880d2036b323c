"""How each release of the demo's services is run: what the stack tells the platform agent before it deploys them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

SERVICES = ("ledger", "payments", "billing", "dispatch", "orders", "portal")
"""Callees before their callers: deployed in this order nothing is called that is not there yet."""

RELEASES = ("v1", "v2")


class HowToRun(TypedDict):
    """The body of ``PUT /v1/services/{service}/releases/{release}``."""

    command: list[str]
    env: dict[str, str]


def how_to_run(service: str, release: str, downstream: Mapping[str, Mapping[str, str]], fault: str) -> HowToRun:
    """*downstream*: by region, the URL of each service at that region's Envoy. *fault*: one of ``faults.FAULTS``."""
    root = Path(__file__).resolve().parents[3]
    faulty = (service, release) == ("payments", "v2")
    return {
        "command": [sys.executable, "-m", "deploy.demo.fleet.service"],
        "env": {
            "PYTHONPATH": str(root),
            "DOWNSTREAM": json.dumps({region: dict(urls) for region, urls in downstream.items()}),
            "FAULT": fault if faulty else "none",
        },
    }
