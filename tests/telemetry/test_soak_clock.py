"""A soak lasts as long as it was to last, also where the clock of what it reads is set forward meanwhile."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from temporalio.testing import ActivityEnvironment

from activities.analytics.activities import AnalyticsActivities
from activities.analytics.contract import SoakRequest
from activities.analytics.store import open_store
from activities.analytics.telemetry import Telemetry
from activities.catalogs import Catalogs
from activities.directory import Directory
from models.catalog_file import parse
from models.scope import Scope
from models.telemetry import USERS, Count, NoData, Totals

CATALOG = """
version: 1
regions:
  eu:
    mesh: {envoy: {kind: envoy, url: "http://127.0.0.1:1", proxies: [envoy-eu]}}
    platform: {local: {kind: local, url: "http://127.0.0.1:1"}}
    telemetry: {envoy: {kind: envoy, url: "http://127.0.0.1:1"}}
defaults: {mesh: envoy, platform: local, telemetry: envoy}
services:
  payments: {tier: 1, regions: [eu], port: 10240, slos: {availability: {objective: 99}}}
"""
SECONDS = 1.0


class Clockwise:
    """Healthy users, by a clock that goes ahead an hour between two readings."""

    def __init__(self) -> None:
        self._read = 0

    async def totals(self, service: str, slow_ms: float | None) -> Totals | NoData:
        self._read += 1
        at = datetime.now(UTC) + timedelta(hours=self._read)
        users = Count(requests=1000 * self._read, errors=0, slow=0)
        return Totals(service=service, region="eu", at=at, epoch="one", arms={USERS: users})

    async def in_flight(self, service: str, release: str) -> int | NoData:
        return NoData(service=service, region="eu", reason="a soak does not ask for it")


class Watched(Directory):
    """With this telemetry in place of the catalog's."""

    async def telemetry(self, scope: Scope) -> Telemetry:
        return Clockwise()


async def test_a_clock_that_is_set_forward_ends_a_soak_no_sooner(tmp_path: Path) -> None:
    loaded = parse(CATALOG, "catalog.yaml", {})
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    activities = AnalyticsActivities(Watched(Catalogs(loaded, lambda _digest: None), protect="", operate=""), store)
    request = SoakRequest(
        incident="01INCIDENT",
        region="eu",
        service="payments",
        catalog=loaded.digest,
        arm=USERS,
        seconds=SECONDS,
        extension=5,
        min_requests=10,
    )
    began = time.monotonic()
    verdict = await ActivityEnvironment().run(activities.soak, request)
    assert verdict.passed
    assert time.monotonic() - began >= SECONDS
    store.close()
