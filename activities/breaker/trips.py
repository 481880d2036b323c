"""The breaker module's activities after the first action: watch, trip and restore, at proxies and at guards.

What was tripped is a lease at the region's control plane, which its proxies enforce, and an intent in the store, which
the gateway tells to the guards. Both have the same id and the same time to live, and each call may be made again: that
is how they are renewed. A store that is away delays what guards hear, and never what proxies enforce: the next renewal
tells them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

from temporalio import activity

from activities.analytics.overdispersion import undisturbed_until
from activities.analytics.sampling import slow_threshold
from activities.analytics.store import Store, intents
from activities.analytics.telemetry import Telemetry
from activities.breaker import contract, engine, rendering
from activities.breaker.activities import describe
from activities.breaker.driver import Protector
from activities.directory import Directory
from activities.driver import Refused
from activities.polling import hand_over_if_stopping
from models.base import SternwayError
from models.breaker import Trips
from models.catalog import BreakerPolicy, LimitAction, Policy, Protection
from models.intent import Intent, IntentRequest, Rendering, Tier
from models.lease import Lease, LeaseRequest
from models.telemetry import USERS, NoData, Totals, WindowReading, between

HISTORY_SECONDS = 3.0
"""That reading a history may take."""

INTERVAL = 1.0
"""Seconds between two looks."""

STORE_SECONDS = 2.0
"""That one question to the store may take."""

P = ParamSpec("P")
Answer = TypeVar("Answer")


class TripActivities:
    def __init__(self, directory: Directory, store: Store) -> None:
        self._directory = directory
        self._store = store

    @activity.defn(name=contract.WATCH.name)
    async def watch(self, call: contract.WatchCall) -> Trips:
        """Look until the breakers of a tier are to trip. Told to stop, or killed, it begins anew elsewhere."""
        catalog = await self._directory.catalog(call)
        approved = _approved(catalog.policy_of(call.service))
        telemetry = await self._directory.telemetry(call)
        slow_ms, ends = slow_threshold(catalog, call.service), time.monotonic() + call.seconds
        history = await _history(telemetry, call, slow_ms)
        watch = engine.Watch(call.service, approved, catalog.service(call.service).slos, history)
        before = await telemetry.totals(call.service, slow_ms)
        while time.monotonic() < ends:
            hand_over_if_stopping()
            await asyncio.sleep(INTERVAL)
            now = await telemetry.totals(call.service, slow_ms)
            crowd = await _in_flight(telemetry, now) if watch.limit else 0
            found = watch.look(between(before, now), crowd)
            if trips := tuple(trip for trip in found if trip.tier in call.tiers):
                return Trips(trips=trips)
            before = before if isinstance(now, NoData) else now
        return Trips(trips=())

    @activity.defn(name=contract.TRIP.name)
    async def trip(self, call: contract.TripCall) -> contract.Tripped:
        """Let them be tripped for the lease's time from now: the first time, and each time that they are renewed.

        What is done, the policy says, and never the caller: whoever starts incidents cannot widen it. The proxies come
        first, and wait for no store.
        """
        found = await self._found(call)
        pending: tuple[str, ...] = ()
        try:
            if lease := found.lease:
                await found.protector.take(lease)
                pending = _in_force(await found.protector.renew(lease.id, lease.seconds)).pending
            if word := await self._persons_word(call):
                raise Refused(
                    f"{word.owner} has said what the breakers of {word.target} do until "
                    f"{word.expires_at:%H:%M:%S} UTC: {word.because}"
                )
            told = await _of_store(intents.take, self._store, found.intent, datetime.now(UTC))
            if told and told.ended_at:
                raise Refused(f"what guards were told of {call.service} was lifted at {told.ended_at:%H:%M:%S} UTC")
        except Refused as no:
            await self._restore(found)
            return contract.Tripped(active=False, sentence=str(no))
        return contract.Tripped(active=True, sentence=found.in_force(pending, told is not None))

    @activity.defn(name=contract.RESTORE.name)
    async def restore(self, call: contract.TripCall) -> contract.Tripped:
        """As it was before. What was not tripped yet cannot be any more after this, by a call that comes late."""
        found = await self._found(call)
        heard = await self._restore(found)
        later = "" if heard else f"; the store is away, so guards hear it within {found.intent.seconds:g} s"
        return contract.Tripped(active=False, sentence=f"the breakers of {call.service} are as they were{later}")

    async def _found(self, call: contract.TripCall) -> _Found:
        catalog = await self._directory.catalog(call)
        policy = catalog.policy_of(call.service)
        approved = _approved(policy)
        proxies = len(catalog.driver("mesh", call.region, call.service).proxies) or 1
        return _Found(
            call=call,
            seconds=policy.lease,
            protection=rendering.at_proxies(approved, call.trip, proxies),
            wished=rendering.at_guards(approved, call.trip),
            protector=await self._directory.protector(call),
        )

    async def _persons_word(self, call: contract.TripCall) -> Intent | None:
        """What a person has said about the same breakers, which stands above all; none where nobody can be asked."""
        found = await _of_store(intents.holding, self._store, call.region) or []
        now = datetime.now(UTC)
        words = (one for one in found if one.tier is Tier.PERSON and one.target == call.service)
        return next((one for one in words if one.expires_at > now), None)

    async def _restore(self, found: _Found) -> bool:
        """Whether the guards hear it at once: what the store cannot be told lapses."""
        if found.lease:
            await found.protector.release(found.lease.id)
        return await _of_store(intents.lift, self._store, found.intent, datetime.now(UTC)) is not None


@dataclass(frozen=True)
class _Found:
    """What a trip is, by the policy."""

    call: contract.TripCall
    seconds: float
    protection: Protection | None
    wished: Rendering
    protector: Protector

    @property
    def lease(self) -> LeaseRequest | None:
        """None where the proxies have nothing to do."""
        if self.protection is None:
            return None
        call = self.call
        return LeaseRequest(
            id=contract.trip_id(call.incident, call.trip.tier),
            owner=call.incident,
            service=call.service,
            protection=self.protection,
            seconds=self.seconds,
        )

    @property
    def intent(self) -> IntentRequest:
        call = self.call
        return IntentRequest(
            **self.wished.model_dump(),
            id=contract.trip_id(call.incident, call.trip.tier),
            owner=call.incident,
            tier=call.trip.tier,
            region=call.region,
            target=call.service,
            because=call.trip.because,
            max_requests=self.protection.max_requests if isinstance(self.protection, LimitAction) else None,
            seconds=self.seconds,
        )

    def in_force(self, pending: Sequence[str], told: bool) -> str:
        """For people."""
        parts: list[str] = []
        if self.protection:
            missing = f", but {', '.join(pending)} did not acknowledge it" if pending else ""
            parts.append(f"{describe(self.protection, self.call.service)}{missing}")
        if wished := self.wished.in_words:
            parts.append(
                f"guards of {self.call.service}: {wished}{'' if told else ' (not told yet: the store is away)'}"
            )
        return "; ".join(parts)


def _in_force(lease: Lease) -> Lease:
    if not lease.active:
        raise Refused(f"the lease {lease.id} is over")
    return lease


def _approved(policy: Policy) -> BreakerPolicy:
    if policy.breakers is None:
        raise Refused("the policy approves nothing at the breakers; see `breakers` in the catalog's reference")
    return policy.breakers


async def _of_store(ask: Callable[P, Answer], *arguments: P.args, **more: P.kwargs) -> Answer | None:
    """None where the store does not answer in time, or cannot be used: it delays nothing."""
    try:
        async with asyncio.timeout(STORE_SECONDS):
            return await asyncio.to_thread(ask, *arguments, **more)
    except (SternwayError, TimeoutError) as away:
        activity.logger.warning("breakers go on without the store: %s", away or "it does not answer")
        return None


async def _history(telemetry: Telemetry, call: contract.WatchCall, slow_ms: float | None) -> Sequence[WindowReading]:
    try:
        async with asyncio.timeout(HISTORY_SECONDS):
            found = await telemetry.history(call.service, slow_ms, undisturbed_until(call.began_at, None))
    except TimeoutError:
        return ()
    return () if isinstance(found, NoData) else found


async def _in_flight(telemetry: Telemetry, totals: Totals | NoData) -> int | NoData:
    """At all releases together."""
    if isinstance(totals, NoData):
        return totals
    releases = [arm for arm in totals.arms if arm != USERS]
    found = await asyncio.gather(*(telemetry.in_flight(totals.service, release) for release in releases))
    missing = [one for one in found if isinstance(one, NoData)]
    return missing[0] if missing else sum(one for one in found if isinstance(one, int))
