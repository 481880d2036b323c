"""The gateway's memory for releases: points of what has been healthy, looked at again, and holds that are over.

It runs in the gateway because that is always there, with the store, and sees every region. It only reads production,
with no token. Several gateways do no harm: whether a point is needed is decided in the transaction that makes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby

from activities.analytics.sampling import slow_threshold
from activities.analytics.store import Store, StoreUnavailable, deployments, holds, points
from activities.analytics.store.points import StoredPoint
from activities.directory import Directory
from activities.driver import Refused, Unavailable
from activities.platform.driver import Workload
from activities.rollback.history import known_here, merged, newer_release
from activities.rollback.state import read_state
from activities.sources import Source, sources_of
from models.base import SternwayError
from models.catalog import RollbackPolicy
from models.catalog_file import LoadedCatalog
from models.deployment import Deployment
from models.hold import STERNWAY, Hold
from models.point import RollbackPoint, healthy
from models.service_state import ServiceState
from models.verdict import Finding
from workers.gateway.writing import Writer
from workers.observability.logs import logger
from workers.points.lifting import lift
from workers.points.looking import judge, look, scope_of
from workers.points.soaking import Soaked, Soaking

CHECK_EVERY = 300.0
"""Seconds between two rounds over all points and holds."""

LOOKS = 4
"""At the telemetry within the shortest soak."""

SHORTEST_TICK, LONGEST_TICK = 1.0, 15.0
"""Seconds between two looks."""

RENEWED = 0.25
"""Of its life that is left, from which on a point is replaced by another one of the same release."""

LOOKED_AT = 50
"""Points of a service that are looked at before another is made."""

_log = logger(__name__)


class PointKeeper:
    def __init__(self, loaded: LoadedCatalog, store: Store, writer: Writer, directory: Directory) -> None:
        self._loaded = loaded
        self._store = store
        self._writer = writer
        self._directory = directory
        self._sources = sources_of(loaded.catalog)
        self._soaking = {
            (source.region, name): Soaking(loaded.catalog.service(name).slos, self._policy(name))
            for source in self._sources
            for name in source.services
        }
        shortest = min(self._policy(name).soak for name in loaded.catalog.services)
        self._tick = min(LONGEST_TICK, max(SHORTEST_TICK, shortest / LOOKS))

    async def run(self) -> None:
        """Look and check until cancelled."""
        try:
            await asyncio.gather(_again(self._tick, self.look), _again(CHECK_EVERY, self.check))
        finally:
            for source in self._sources:
                await source.telemetry.close()

    async def look(self) -> None:
        """One look at everything: a release that has passed its soak with it gets its point."""
        await asyncio.gather(*(self._look_at(source) for source in self._sources))

    async def check(self) -> None:
        """One round over all points and holds. Raises ``StoreUnavailable``."""
        kept = await asyncio.to_thread(points.not_marked, self._store)
        held = await asyncio.to_thread(holds.held, self._store)
        of_points = {place: list(group) for place, group in groupby(sorted(kept, key=_place_of), _place_of)}
        for place in sorted({*of_points, *((hold.service, hold.region) for hold in held)}):
            found = await look(self._directory, self._loaded, *place)
            if place in of_points:
                await self._check(of_points[place], found)
            for hold in held:
                if (hold.service, hold.region) == place and isinstance(found, Workload):
                    await self._end(hold, found)
        await self._writer.write(partial(points.prune, self._store, datetime.now(UTC)))

    async def _look_at(self, source: Source) -> None:
        thresholds = {service: slow_threshold(self._loaded.catalog, service) for service in source.services}
        for service, reading in (await source.telemetry.totals_of(thresholds)).items():
            soaked = self._soaking[(source.region, service)].add(reading)
            if soaked and not await self._has_one(service, source.region, soaked.release):
                await self._make(service, source.region, soaked)

    async def _has_one(self, service: str, region: str, release: str) -> bool:
        """Looked up before anything else is read; :func:`points.keep` has the last word."""
        kept = await asyncio.to_thread(points.points, self._store, service, region, LOOKED_AT)
        until = self._good_until(service, datetime.now(UTC))
        return any(one.point.release == release and one.point.usable(until) for one in kept)

    async def _make(self, service: str, region: str, soaked: Soaked) -> None:
        try:
            state = await read_state(self._directory, scope_of(self._loaded, service, region))
        except (Refused, Unavailable) as unread:
            _log.info("no point is made: the service cannot be read", service=service, reason=str(unread))
            return
        if not _carries_all(state, soaked.release):
            return
        now = datetime.now(UTC)
        point = healthy(state, soaked.release, soaked.verdict, self._policy(service), now)
        verdict = judge(point, await look(self._directory, self._loaded, service, region), now)
        if verdict.finding is Finding.FAIL:
            return
        checked = point.model_copy(update={"checked_at": now, "check_said": verdict.sentence})
        keep = partial(points.keep, self._store, checked, self._good_until(service, now))
        if made := await self._writer.write(keep):
            facts = {"service": service, "region": region, "release": soaked.release, "health": point.measured}
            _log.info("rollback point made", point=made.id, **facts)

    async def _check(self, kept: Sequence[StoredPoint], found: Workload | SternwayError) -> None:
        now = datetime.now(UTC)
        verdicts = {one.id: judge(one.point, found, now) for one in kept}
        await self._writer.write(partial(points.note, self._store, verdicts, now))
        for one in kept:
            if verdicts[one.id].finding is Finding.FAIL:
                _log.info("rollback point marked", point=one.id, **_named(one.point), reason=verdicts[one.id].sentence)

    async def _end(self, hold: Hold, platform: Workload) -> None:
        told = await asyncio.to_thread(deployments.deployments, self._store, hold.service, hold.region)
        known = {*platform.replicas, *(platform.runnable or ()), *(one.release for one in platform.deployments)}
        events, _ = known_here(known, [Deployment(release=event.release, at=event.at) for event in told])
        history = merged(platform.deployments, events)
        newer = newer_release(hold, history)
        if newer is None:
            return
        reason = f"{newer.release} was deployed at {newer.at.isoformat(timespec='seconds')}"
        await self._writer.write(partial(lift, self._store, hold, STERNWAY, reason))
        _log.info("hold ended by a newer release", service=hold.service, region=hold.region, release=hold.release)

    def _policy(self, service: str) -> RollbackPolicy:
        return self._loaded.catalog.policy_of(service).rollback

    def _good_until(self, service: str, now: datetime) -> datetime:
        """A point that is good beyond this needs no other one beside it."""
        return now + timedelta(seconds=self._policy(service).point_max_age * RENEWED)


def _carries_all(state: ServiceState, release: str) -> bool:
    """Whether all traffic goes to the release by itself, and all of its replicas are ready."""
    routed = {name for name, weight in state.weights.items() if weight}
    return routed == {release} and state.ready.get(release, 0) >= state.replicas.get(release, 0) > 0


def _place_of(kept: StoredPoint) -> tuple[str, str]:
    return kept.point.service, kept.point.region


def _named(point: RollbackPoint) -> dict[str, str]:
    return {"service": point.service, "region": point.region, "release": point.release}


async def _again(every: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except StoreUnavailable as away:
            _log.warning("rollback points are not looked after", reason=str(away), again_in=every)
        except Exception:  # noqa: BLE001 -- whatever it is, the next round may find it gone
            _log.exception("rollback points are not looked after", again_in=every)
        await asyncio.sleep(every)
