"""The analytics module's activities: measure, judge, record and recall."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from temporalio import activity

from activities.analytics import contract
from activities.analytics.comparison import Comparison, judge
from activities.analytics.overdispersion import overdispersion, undisturbed_until
from activities.analytics.sampling import observe, slow_threshold
from activities.analytics.store.engine import Store
from activities.analytics.store.journal import append
from activities.analytics.telemetry import Telemetry
from activities.analytics.verdict import judge_absolute
from activities.directory import Directory
from activities.polling import LOOK_SECONDS, hand_over_if_stopping
from models.observation import Observation
from models.scope import Scope
from models.telemetry import NoData, Totals, Window, WindowReading, between
from models.verdict import Finding, Need, Verdict

INTERVAL = 0.25
"""Seconds between two looks during a soak or a comparison."""

HISTORY_SECONDS = 3.0
"""That reading a history may take: a rollback must not wait for it."""


class AnalyticsActivities:
    def __init__(self, directory: Directory, store: Store) -> None:
        self._directory = directory
        self._store = store

    @activity.defn(name=contract.OBSERVE.name)
    async def observe(self, request: contract.ObserveRequest) -> Observation:
        catalog = await self._directory.catalog(request)
        telemetry = await self._directory.telemetry(request)
        return await observe(telemetry, catalog, request.service, request.seconds)

    @activity.defn(name=contract.SOAK.name)
    async def soak(self, request: contract.SoakRequest) -> Verdict:
        """Watch an arm for the whole time; a clear failure ends it early, an inconclusive one is watched for longer.

        How far it has come travels in the heartbeat, so that after a kill the soak goes on where it was. A source that
        was restarted begins the soak anew, within the time that there is. A source whose clock is set forward ends it
        no sooner: the time that has really passed counts as well.
        """
        catalog = await self._directory.catalog(request)
        telemetry = await self._directory.telemetry(request)
        slow_ms, slos = slow_threshold(catalog, request.service), catalog.service(request.service).slos
        progress = _resumed()
        began = time.monotonic() - progress.elapsed
        while True:
            totals = await _in_time(telemetry.totals(request.service, slow_ms), request)
            window = progress.window(totals)
            verdict = judge_absolute(window, request.arm, slos, request.min_requests)
            progress.elapsed = time.monotonic() - began
            activity.heartbeat(progress.elapsed, progress.baseline)
            if verdict.finding is Finding.FAIL:
                return verdict
            whole = isinstance(window, Window) and min(window.seconds, progress.elapsed) >= request.seconds
            if verdict.passed and whole:
                return verdict
            if progress.elapsed >= request.seconds + request.extension:
                return verdict if not verdict.passed else _too_short(verdict, request.seconds)
            hand_over_if_stopping()
            await asyncio.sleep(INTERVAL)

    @activity.defn(name=contract.COMPARE.name)
    async def compare(self, request: contract.CompareRequest) -> Verdict:
        """Watch the target beside what serves at the same time; harm ends it at once, and what is needed as soon as it
        is shown, of *no-harm* after the whole time. An inconclusive one is watched for longer.

        The comparison travels in the heartbeat, so that it goes on after a kill with all that it has seen, and with the
        overdispersion that it began with.
        """
        catalog = await self._directory.catalog(request)
        telemetry = await self._directory.telemetry(request)
        gate, slos = request.gate, catalog.service(request.service).slos
        slow_ms = slow_threshold(catalog, request.service)
        progress = _ComparedSoFar.resumed()
        if progress is None:
            scatter = overdispersion(await _history(telemetry, request, slow_ms), slos)
            progress = _ComparedSoFar(Comparison.begin(gate.release, slos, scatter))
        began = time.monotonic() - progress.elapsed
        while True:
            seen = progress.look(await _in_time(telemetry.totals(request.service, slow_ms), request))
            verdict = judge(seen, gate)
            progress.elapsed = time.monotonic() - began
            activity.heartbeat(progress.elapsed, progress.comparison, progress.latest)
            enough = gate.need is Need.BETTER or min(seen.seconds, progress.elapsed) >= gate.seconds
            if verdict.finding is Finding.FAIL or (verdict.passed and enough):
                return verdict
            if progress.elapsed >= gate.seconds + gate.extension:
                return verdict
            hand_over_if_stopping()
            await asyncio.sleep(INTERVAL)

    @activity.defn(name=contract.RECORD.name)
    async def record(self, batch: contract.JournalBatch) -> int:
        return await asyncio.to_thread(append, self._store, batch.entries)


async def _in_time(asked: Awaitable[Totals | NoData], scope: Scope) -> Totals | NoData:
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return await asked
    except TimeoutError:
        return NoData(service=scope.service, region=scope.region, reason="the telemetry did not answer in time")


async def _history(
    telemetry: Telemetry, request: contract.CompareRequest, slow_ms: float | None
) -> Sequence[WindowReading] | NoData:
    if request.began_at is None:
        return NoData(service=request.service, region=request.region, reason="when the trouble began is not known")
    until = undisturbed_until(request.began_at, request.deployed_at)
    try:
        async with asyncio.timeout(HISTORY_SECONDS):
            return await telemetry.history(request.service, slow_ms, until)
    except TimeoutError:
        reason = f"the telemetry did not answer with a history in {HISTORY_SECONDS:g} s"
        return NoData(service=request.service, region=request.region, reason=reason)


@dataclass
class _Progress:
    """How long a soak has lasted, and the totals that it counts from."""

    elapsed: float = 0.0
    baseline: Totals | None = None

    def window(self, totals: Totals | NoData) -> WindowReading:
        if isinstance(totals, NoData):
            return totals
        if self.baseline is None or self.baseline.epoch != totals.epoch:
            self.baseline = totals
            return _just_begun(totals)
        return between(self.baseline, totals)


def _resumed() -> _Progress:
    details = activity.info().heartbeat_details
    if not details:
        return _Progress()
    elapsed, baseline = details
    return _Progress(elapsed, Totals.model_validate(baseline) if baseline else None)


@dataclass
class _ComparedSoFar:
    """How long a comparison has lasted, what it has seen, and the totals that its next window begins with."""

    comparison: Comparison
    elapsed: float = 0.0
    latest: Totals | None = None

    def look(self, totals: Totals | NoData) -> Comparison:
        """The comparison with what is there since the latest totals.

        Only what both sides had requests in is kept as a window; until then it goes on growing, because a window in
        which one had none would lose the evidence of the other.
        """
        if isinstance(totals, NoData):
            return self.comparison.after(totals)
        if self.latest is None or self.latest.epoch != totals.epoch:
            reading = between(self.latest, totals) if self.latest else _just_begun(totals)
            self.latest = totals
            return self.comparison.after(reading)
        seen = self.comparison.after(between(self.latest, totals))
        if not seen.gap:
            self.comparison, self.latest = seen, totals
        return seen

    @classmethod
    def resumed(cls) -> _ComparedSoFar | None:
        details = activity.info().heartbeat_details
        if not details:
            return None
        elapsed, comparison, latest = details
        return cls(Comparison.model_validate(comparison), elapsed, Totals.model_validate(latest) if latest else None)


def _just_begun(totals: Totals) -> NoData:
    return NoData(service=totals.service, region=totals.region, reason="the watch has only just begun")


def _too_short(verdict: Verdict, seconds: float) -> Verdict:
    return Verdict(
        finding=Finding.INCONCLUSIVE,
        sentence=f"{verdict.sentence}, but not for the whole {seconds:g} s: the telemetry was restarted meanwhile",
        evidence=verdict.evidence,
    )
