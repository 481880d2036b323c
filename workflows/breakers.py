"""The breakers before a service, tripped by evidence while its incident is open, and restored with its protection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

from workflows.leases import Renewal
from workflows.regions import Regions
from workflows.saga import Saga, SagaStep, describe

with workflow.unsafe.imports_passed_through():
    from activities.breaker import contract as breaker
    from models.breaker import Trip, Trips
    from models.catalog import Policy
    from models.intent import Tier
    from models.receipt import Outcome
    from models.scope import Scope

WATCHED_AT_A_TIME = 300.0
"""Seconds. A kill, or a watch that begins anew, loses what it has seen of a source that keeps no history."""


class Breakers:
    """One step of the saga for each tier that trips. Recovery waits for no watch, and no trip fails it."""

    def __init__(
        self,
        scope: Scope,
        policy: Policy,
        began_at: datetime,
        regions: Regions,
        saga: Saga,
        on_news: Callable[[], None],
    ) -> None:
        """*began_at*: the trouble, as it was first told of. *on_news*: called when :attr:`sentence` has changed."""
        self._scope = scope
        self._policy = policy
        self._began_at = began_at
        self._on_news = on_news
        self._regions = regions
        self._saga = saga
        self._open = False
        self._tiers = policy.breakers.tiers if policy.breakers else frozenset[Tier]()
        self._looking: asyncio.Task[Trips] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._tripped: frozenset[Tier] = frozenset()
        self._said: dict[SagaStep, str] = {}
        self._held: dict[SagaStep, tuple[Trip, Renewal]] = {}

    @property
    def active(self) -> bool:
        """Some are tripped, or may be before they are restored."""
        return self._open or bool(self._held)

    @property
    def sentence(self) -> str:
        return "; ".join(self._said.values())

    def watch(self) -> None:
        """From now on until :meth:`close`, if the policy approves anything that could be done."""
        if self._tiers:
            self._open = True
            self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Trip nothing more. Once this has returned, nothing is on its way to be tripped."""
        self._open = False
        if self._looking:
            self._looking.cancel()
        async with self._one_at_a_time:
            pass

    async def restore(self) -> None:
        """As a part of the plan. Raises FailureError where the mesh refuses that."""
        await self.close()
        for step, (trip, _) in reversed(list(self._held.items())):
            await self._restore(step, trip)
            self._saga.settle(step.id, "undone", "restored: the service is verified")

    async def let_lapse(self) -> None:
        """Trip and renew nothing more, where restoring is not for us to do."""
        await self.close()
        for _, renewal in self._held.values():
            renewal.stop()

    async def _watch(self) -> None:
        while self._open and (left := self._tiers - self._tripped):
            for trip in await self._look(left):
                async with self._one_at_a_time:
                    if self._open:
                        await self.trip(trip)

    async def _look(self, left: frozenset[Tier]) -> Sequence[Trip]:
        """Until the breakers of a tier are to trip; nothing where that is not known."""
        tiers = tuple(sorted(left))
        call = breaker.WatchCall(
            **self._scope.model_dump(), began_at=self._began_at, tiers=tiers, seconds=WATCHED_AT_A_TIME
        )
        ask = self._regions.call(breaker.WATCH, call, f"is there reason to trip the breakers of {self._scope.service}?")
        self._looking = asyncio.create_task(ask)
        try:
            return (await self._looking).trips
        except (FailureError, asyncio.CancelledError) as failure:
            if self._open:
                workflow.logger.warning("nobody watches whether breakers are to trip: %s", describe(failure))
                await self._pause()
            return ()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            pause = timedelta(seconds=self._policy.lease / 2)
            await workflow.wait_condition(lambda: not self._open, timeout=pause)

    async def trip(self, trip: Trip) -> None:
        """And renew that. No failure of it is raised: :attr:`sentence` says what became of it."""
        step = self._step(trip)
        self._tripped |= {trip.tier}
        self._say(step, trip.because)
        renewal = Renewal(f"the breakers of {self._scope.service}", lambda: self._renew(step, trip))
        self._held[step] = trip, renewal
        try:
            tripped = await self._saga.run(
                step, lambda: self._enforce(trip), lambda: self._restore(step, trip), trip.because
            )
        except FailureError as failure:
            self._say(step, f"whether the breakers were tripped is not known: {describe(failure)}")
            renewal.start(self._policy.lease)
            return
        self._say(step, tripped.sentence)
        if tripped.active:
            renewal.start(self._policy.lease)
        else:
            del self._held[step]
            self._saga.settle(step.id, "nothing-to-undo", tripped.sentence)

    async def _enforce(self, trip: Trip) -> breaker.Tripped:
        call = breaker.TripCall(**self._scope.model_dump(), trip=trip)
        return await self._regions.call(breaker.TRIP, call, f"{trip.tier}: {trip.because}")

    async def _renew(self, step: SagaStep, trip: Trip) -> bool:
        tripped = await self._enforce(trip)
        held = self._held.get(step)
        if held and held[1].active:  # it was not restored meanwhile
            self._say(step, tripped.sentence)
        return tripped.active

    async def _restore(self, step: SagaStep, trip: Trip) -> Outcome:
        self._held[step][1].stop()
        call = breaker.TripCall(**self._scope.model_dump(), trip=trip)
        try:
            restored = await self._regions.call(breaker.RESTORE, call, f"{trip.tier}: as it was")
        except ApplicationError as silent:
            self._say(step, f"nobody can restore the breakers; they lapse by themselves: {silent.message}")
        else:
            self._say(step, restored.sentence)
        del self._held[step]
        return Outcome.RESTORED

    def _say(self, step: SagaStep, sentence: str) -> None:
        self._said[step] = sentence
        self._on_news()

    def _step(self, trip: Trip) -> SagaStep:
        return SagaStep(
            id=f"trip-{trip.tier}",
            title=f"trip the breakers of {self._scope.service} ({trip.tier})",
            module="breaker",
            resource=f"mesh/{self._scope.region}/{self._scope.service}",
        )
