"""Telemetry that says what a test has written, one reading a look, to the real activities."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from activities.analytics.activities import AnalyticsActivities
from activities.analytics.store import open_store
from activities.analytics.telemetry import Telemetry
from activities.catalogs import Catalogs
from activities.directory import Directory
from models.catalog_file import parse
from models.scope import Scope

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
LOADED = parse(CATALOG, "catalog.yaml", {})
SCOPE = {"incident": "01INCIDENT", "region": "eu", "service": "payments", "catalog": LOADED.digest}


class _Scripted(Directory):
    """With this telemetry in place of the catalog's."""

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__(Catalogs(LOADED, lambda _digest: None), protect="", operate="")
        self._scripted = telemetry

    async def telemetry(self, scope: Scope) -> Telemetry:
        return self._scripted


@contextmanager
def analytics(telemetry: Telemetry, folder: Path) -> Generator[AnalyticsActivities]:
    """The activities that measure with *telemetry*."""
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    yield AnalyticsActivities(_Scripted(telemetry), store)
    store.close()
