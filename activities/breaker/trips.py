"""The breaker module's activities after the first action: watch, trip, hold and restore, at proxies and at guards.

What was tripped is a lease at the region's control plane, which its proxies enforce, and an intent in the store, which
the gateway tells to the guards. Both have the same id and the same time to live, and each call may be made again.

A store that is away delays what guards hear, and never what proxies enforce: the next renewal tells them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from temporalio import activity

from activities.analytics.sampling import slow_threshold
from activities.analytics.store import Store, StoreUnavailable, intents
from activities.analytics.telemetry import Telemetry
from activities.breaker import contract, engine, rendering
from activities.breaker.activities import describe
from activities.directory import Directory
from activities.driver import Refused
from activities.polling import hand_over_if_stopping
from models.breaker import Trips
from models.catalog import Breakers, LimitAction, Policy
from models.intent import Intent, IntentRequest, Tier
from models.lease import LeaseRequest
from models.scope import Scope
from models.telemetry import USERS, NoData, Totals, WindowReading, between

HISTORY_SECONDS = 3.0
"""That reading a history may take."""

INTERVAL = 1.0
"""Seconds between two looks."""


class TripActivities:
    def __init__(self, directory: Directory, store: Store) -> None:
        self._directory = directory
        self._store = store

    @activity.defn(name=contract.WATCH.name)
    async def watch(self, call: contract.WatchCall) -> Trips:
        """Look until the breakers of a tier are to trip. Told to stop, or killed, it begins anew elsewhere."""
        catalog = await self._directory.catalog(call)
        breakers = _approved(catalog.policy_of(call.service))
        telemetry = await self._directory.telemetry(call)
        slow_ms, ends = slow_threshold(catalog, call.service), time.monotonic() + call.seconds
        history = await _history(telemetry, call, slow_ms)
        watch = engine.Watch(call.service, breakers, catalog.service(call.service).slos, history)
        before = await telemetry.totals(call.service, slow_ms)
        while time.monotonic() < ends:
            hand_over_if_stopping()
            await asyncio.sleep(INTERVAL)
            now = await telemetry.totals(call.service, slow_ms)
            found = watch.look(between(before, now), await _in_flight(telemetry, now))
            if trips := tuple(trip for trip in found if trip.tier not in call.tripped):
                return Trips(trips=trips)
            before = before if isinstance(now, NoData) else now
        return Trips(trips=())

    @activity.defn(name=contract.TRIP.name)
    async def trip(self, call: contract.TripCall) -> contract.Tripped:
        """What is done about it, the policy says, and never the caller: whoever starts incidents cannot widen it."""
        policy = (await self._directory.catalog(call)).policy_of(call.service)
        breakers = _approved(policy)
        if word := await self._persons_word(call):
            return contract.Tripped(active=False, sentence=_overridden(word))
        pending: tuple[str, ...] = ()
        if protection := rendering.at_proxies(breakers, call.trip):
            request = LeaseRequest(
                id=contract.trip_id(call.incident, call.trip.tier),
                owner=call.incident,
                service=call.service,
                protection=protection,
                seconds=policy.lease,
            )
            pending = (await (await self._directory.protector(call)).take(request)).pending
        told = await self._tell(_intent(call, breakers, policy.lease))
        return contract.Tripped(active=True, sentence=_sentence(call, breakers, pending, told))

    @activity.defn(name=contract.HOLD.name)
    async def hold(self, call: contract.TripCall) -> contract.Tripped:
        policy = (await self._directory.catalog(call)).policy_of(call.service)
        breakers = _approved(policy)
        if word := await self._persons_word(call):
            await self._end(call, breakers)
            return contract.Tripped(active=False, sentence=_overridden(word))
        if rendering.at_proxies(breakers, call.trip):
            protector = await self._directory.protector(call)
            lease = await protector.renew(contract.trip_id(call.incident, call.trip.tier), policy.lease)
            if not lease.active:
                await self._end(call, breakers)
                return contract.Tripped(active=False, sentence=f"the lease on {call.service} is over")
        told = await self._tell(_intent(call, breakers, policy.lease))
        return contract.Tripped(active=True, sentence=_sentence(call, breakers, (), told))

    @activity.defn(name=contract.RESTORE.name)
    async def restore(self, call: contract.TripCall) -> contract.Tripped:
        """As it was before. What was not tripped yet cannot be any more after this, by a call that comes late."""
        policy = (await self._directory.catalog(call)).policy_of(call.service)
        heard = await self._end(call, _approved(policy))
        later = "" if heard else f"; the store is away, so guards hear it within {policy.lease:g} s"
        return contract.Tripped(active=False, sentence=f"the breakers of {call.service} are as they were{later}")

    async def _persons_word(self, call: contract.TripCall) -> Intent | None:
        """What a person has said about the same breakers, which stands above all."""
        try:
            found = await asyncio.to_thread(intents.holding, self._store, call.region)
        except StoreUnavailable:
            return None
        now = datetime.now(UTC)
        words = (one for one in found if one.tier is Tier.PERSON and one.target == call.service)
        return next((one for one in words if one.expires_at > now), None)

    async def _tell(self, request: IntentRequest) -> bool:
        """Let the guards hear it, from now or for longer; whether the store has it."""
        now = datetime.now(UTC)
        try:
            await asyncio.to_thread(intents.take, self._store, request, now)
            await asyncio.to_thread(intents.renew, self._store, request.id, request.seconds, now)
        except StoreUnavailable:
            return False
        return True

    async def _end(self, call: contract.TripCall, breakers: Breakers) -> bool:
        """Whether the guards hear it at once: what the store cannot be told lapses."""
        if rendering.at_proxies(breakers, call.trip):
            protector = await self._directory.protector(call)
            await protector.release(contract.trip_id(call.incident, call.trip.tier))
        try:
            await asyncio.to_thread(intents.lift, self._store, _intent(call, breakers, 1), datetime.now(UTC))
        except StoreUnavailable:
            return False
        return True


def _approved(policy: Policy) -> Breakers:
    if policy.breakers is None:
        raise Refused("the policy approves nothing at the breakers; see `breakers` in the catalog's reference")
    return policy.breakers


def _intent(call: contract.TripCall, breakers: Breakers, seconds: float) -> IntentRequest:
    protection = rendering.at_proxies(breakers, call.trip)
    return IntentRequest(
        **rendering.at_guards(breakers, call.trip).model_dump(),
        id=contract.trip_id(call.incident, call.trip.tier),
        owner=call.incident,
        tier=call.trip.tier,
        region=call.region,
        target=call.service,
        because=call.trip.because,
        max_requests=protection.max_requests if isinstance(protection, LimitAction) else None,
        seconds=seconds,
    )


def _sentence(call: contract.TripCall, breakers: Breakers, pending: Sequence[str], told: bool) -> str:
    """What is in force, for people."""
    parts: list[str] = []
    if protection := rendering.at_proxies(breakers, call.trip):
        missing = f", but {', '.join(pending)} did not acknowledge it" if pending else ""
        parts.append(f"{describe(protection, call.service)}{missing}")
    if wished := rendering.at_guards(breakers, call.trip).in_words:
        parts.append(f"guards of {call.service}: {wished}{'' if told else ' (not told yet: the store is away)'}")
    return "; ".join(parts)


def _overridden(word: Intent) -> str:
    return f"{word.owner} has said what the breakers of {word.target} do until {word.expires_at:%H:%M:%S} UTC"


async def _history(telemetry: Telemetry, scope: Scope, slow_ms: float | None) -> Sequence[WindowReading]:
    try:
        async with asyncio.timeout(HISTORY_SECONDS):
            found = await telemetry.history(scope.service, slow_ms, datetime.now(UTC))
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
