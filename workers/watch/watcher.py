"""The watcher: one look a tick at every service, and a message whenever an alert begins, ends or is due again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

from activities.analytics.sampling import slow_threshold
from activities.sources import Source
from models.catalog import Catalog
from models.telemetry import NoData, Totals
from workers.observability.logs import logger
from workers.watch.burn import Burn, budgets, burns
from workers.watch.detector import Decision, Detector, blockers_of
from workers.watch.gauges import TELEMETRY_MISSING, count
from workers.watch.history import History
from workers.watch.message import Origin, message
from workers.watch.sender import Sender
from workers.watch.windows import BurnWindow

_log = logger(__name__)


@dataclass(frozen=True)
class Watching:
    """How to watch. Times are in seconds."""

    windows: tuple[BurnWindow, ...]
    tick: float
    min_requests: int
    grace: float
    """Services that have dependencies wait for so long before their alerts fire."""
    repeat: float
    """After so long a firing alert is sent again."""
    external_url: str


@dataclass
class _Sight:
    """What is remembered of one service in one region."""

    history: History
    since: float
    """Of the last reading, or of the start."""
    blind: bool = False
    inhibited_by: tuple[str, ...] = ()
    sent: float = 0.0


class Watcher:
    """Watches the services of a catalog through *sources* and sends what it finds through *sender*."""

    def __init__(self, catalog: Catalog, sources: tuple[Source, ...], sender: Sender, watching: Watching) -> None:
        self._catalog = catalog
        self._sources = sources
        self._sender = sender
        self._watching = watching
        lengths = {length for w in watching.windows for length in (w.long, w.short)}
        now = time.time()
        self._sights = {(s.region, name): _Sight(History(lengths), now) for s in sources for name in s.services}
        regions = {source.region for source in sources}
        self._detectors = {r: Detector(blockers_of(catalog, r), watching.grace) for r in regions}
        self._origins = {(s.region, name): Origin(s.url, watching.external_url) for s in sources for name in s.services}

    async def run(self, stop: asyncio.Event) -> None:
        """Look until *stop* is set."""
        while not stop.is_set():
            began = time.monotonic()
            await self.look()
            pause = max(0.0, self._watching.tick - (time.monotonic() - began))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    async def look(self) -> None:
        """One look at everything."""
        await asyncio.gather(*(self._read(source) for source in self._sources))
        now = time.time()
        for region, detector in self._detectors.items():
            for service, decision in detector.update(self._findings(region, now), now).items():
                self._say(region, service, decision, now)

    def _findings(self, region: str, now: float) -> dict[str, tuple[Burn, ...]]:
        watching = self._watching
        return {
            service: burns(
                sight.history, self._catalog.service(service).slos, watching.windows, watching.min_requests, now
            )
            for (where, service), sight in self._sights.items()
            if where == region
        }

    async def _read(self, source: Source) -> None:
        thresholds = {service: slow_threshold(self._catalog, service) for service in source.services}
        readings: Mapping[str, Totals | NoData] = await source.telemetry.totals_of(thresholds)
        for service, reading in readings.items():
            sight = self._sights[(source.region, service)]
            seen = sight.history.add(reading)
            if not isinstance(seen, NoData):
                count(seen, self._catalog.service(service).slos)
            self._see(source.region, service, sight, reading)

    def _see(self, region: str, service: str, sight: _Sight, reading: Totals | NoData) -> None:
        """Say so, once, when there is no telemetry for longer than the shortest window, and when it is back."""
        now = time.time()
        if isinstance(reading, Totals):
            sight.since = now
            if sight.blind:
                _log.info("there is telemetry again", region=region, service=service)
            sight.blind = False
        elif not sight.blind and now - sight.since > min(w.short for w in self._watching.windows):
            _log.error("no telemetry: trouble would not be seen", region=region, service=service, reason=reading.reason)
            sight.blind = True
        TELEMETRY_MISSING.labels(region, service).set(0 if isinstance(reading, Totals) else now - sight.since)

    def _say(self, region: str, service: str, decision: Decision, now: float) -> None:
        sight = self._sights[(region, service)]
        if decision.inhibited_by != sight.inhibited_by:
            self._explain(region, service, sight.inhibited_by, decision.inhibited_by)
            sight.inhibited_by = decision.inhibited_by
        group = f"{region}/{service}"
        due = decision.firing and now - sight.sent >= self._watching.repeat and not self._sender.busy(group)
        if not (decision.began or decision.resolved or due):
            return
        origin = self._origins[(region, service)]
        self._sender.submit(group, message(region, service, decision.firing, decision.resolved, now, origin))
        sight.sent = now
        _log.info(
            "alert sent on",
            region=region,
            service=service,
            firing=[f"{a.slo} {a.severity}" for a in decision.firing],
            resolved=[f"{a.slo} {a.severity}" for a in decision.resolved],
            repeated=not (decision.began or decision.resolved),
        )

    def _explain(self, region: str, service: str, before: tuple[str, ...], now: tuple[str, ...]) -> None:
        if now:
            _log.info("alert inhibited by dependencies in trouble", region=region, service=service, dependencies=now)
        else:
            _log.info("alert no longer inhibited", region=region, service=service, dependencies=before)


def never_firing(catalog: Catalog, windows: tuple[BurnWindow, ...]) -> tuple[str, ...]:
    """Objectives so low that a window's factor allows more than all requests to be bad, each as a sentence."""
    return tuple(
        f"{name}: {slo} can never burn {window.factor:g} times its budget of {budget:.4g}; use a smaller factor"
        for name, service in sorted(catalog.services.items())
        for slo, budget in budgets(service.slos)
        for window in windows
        if window.factor * budget >= 1
    )
