"""Five weeks of two services in a store, as measuring keeps them: one's latency creeps before its incidents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy

from activities.analytics.store import Store, ticks
from activities.analytics.store.journal import append
from activities.analytics.store.ticks import Reading, Tick
from models.catalog_file import LoadedCatalog, parse
from models.journal import JournalEntry

INTERVAL = 1800
DAYS = 34
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
LAST = int(NOW.timestamp()) // INTERVAL
FIRST = LAST - DAYS * 48

CATALOG = f"""
version: 1
regions:
  eu:
    mesh: {{envoy: {{kind: envoy, url: "http://127.0.0.1:1", proxies: [envoy-eu]}}}}
    platform: {{local: {{kind: local, url: "http://127.0.0.1:1"}}}}
    telemetry: {{envoy: {{kind: envoy, url: "http://127.0.0.1:1"}}}}
defaults: {{mesh: envoy, platform: local, telemetry: envoy}}
prediction: {{interval: {INTERVAL}, horizon: 10800}}
services:
  payments:
    tier: 1
    regions: [eu]
    port: 10001
    slos: {{availability: {{objective: 99}}, latency: {{objective: 95, threshold_ms: 250}}}}
    value: {{revenue_per_minute: 900, customers: 5000}}
  ledger:
    tier: 2
    regions: [eu]
    port: 10002
    slos: {{availability: {{objective: 99}}}}
"""


def catalog() -> LoadedCatalog:
    return parse(CATALOG, "catalog.yaml", {})


def incidents(seed: int) -> list[int]:
    """Numbers of the intervals in which one begins, at any time of the day."""
    generator = numpy.random.default_rng(seed)
    gaps = generator.integers(30, 70, size=60)
    return [number for number in (FIRST + 60 + numpy.cumsum(gaps)).tolist() if number < LAST - 10]


def fill(store: Store, seed: int = 1, until: int = LAST) -> None:
    """Keep everything up to interval *until*."""
    generator = numpy.random.default_rng(seed)
    starts = [number for number in incidents(seed) if number <= until]
    for number in range(FIRST, until + 1):
        ahead = min((start - number for start in starts if start > number), default=99)
        within = any(start <= number < start + 2 for start in starts)
        slower = 12.0 * max(0, 7 - ahead) + (200 if within else 0)
        at = datetime.fromtimestamp((number + 1) * INTERVAL + 1, UTC)
        samples: dict[str, Reading] = {
            "payments": _sample(generator, at, slower, 0.2 if within else 0.001),
            "ledger": _sample(generator, at, 0.0, 0.001),
        }
        ticks.keep(store, "eu", INTERVAL, Tick(number=number, at=at, samples=samples), {})
    for start in starts:
        incident(store, datetime.fromtimestamp(start * INTERVAL + 1, UTC), timedelta(minutes=50))


def _sample(generator: numpy.random.Generator, at: datetime, slower: float, errors: float) -> tuple[float, ...]:
    wave = 1 + 0.3 * numpy.sin(2 * numpy.pi * at.timestamp() / 86_400)
    rate, noise = 50 * wave * generator.lognormal(0, 0.05), generator.lognormal(0, 0.05, size=3)
    p50, p95, p99 = (base * noisy + slower for base, noisy in zip((20, 60, 110), noise.tolist(), strict=True))
    return (at.timestamp(), rate, errors * generator.lognormal(0, 0.2), errors / 2, p50, p95, p99, rate * p50 / 1000)


def incident(store: Store, begun: datetime, lasted: timedelta) -> None:
    """Of payments, as the journal tells of one that is over."""
    id = f"payments-{begun:%Y%m%dT%H%M}"
    known = {"region": "eu", "service": "payments", "severity": "critical", "level": "full", "catalog": "c"}
    started = {**known, "workflow": id, "reason": "slow", "received_at": begun.isoformat()}
    ended = {"phase": "resolved", "sentence": "well again", "milestones": {}}
    entries = (("incident-started", begun, started), ("incident-ended", begun + lasted, ended))
    append(
        store,
        [
            JournalEntry(incident=id, source="incident", source_seq=place, kind=kind, at=at, payload=payload)
            for place, (kind, at, payload) in enumerate(entries, 1)
        ],
    )
