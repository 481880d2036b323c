"""A person's word about the breakers before a service: it stands above all that Sternway has tripped, until it lapses.

It is said where everything else is: as an intent in the store, which the guards hear of, and as leases at the region's
control plane for what the proxies enforce. What was said or tripped before ends with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from activities.analytics.store import Store, intents
from activities.breaker.driver import Protector
from models.catalog import LimitAction, Protection, RetriesAction
from models.intent import Intent, IntentRequest, Tier
from models.lease import LeaseRequest


@dataclass(frozen=True)
class Overrides:
    """At the breakers of one region, whose control plane *protector* reaches."""

    store: Store
    protector: Protector

    async def say(self, word: IntentRequest) -> tuple[str, ...]:
        """Let it be so until it lapses; the proxies that have not acknowledged it. Raises ``Refused``, ``Unavailable``
        and ``StoreUnavailable``: saying it again goes on with the rest."""
        before = await self._holding(word.region, word.target)
        await asyncio.to_thread(intents.take, self.store, word, datetime.now(UTC))
        await self._end(word.region, before)
        pending: list[str] = []
        for id, protection in protections(word):
            request = LeaseRequest(
                id=id, owner=word.owner, service=word.target, protection=protection, seconds=word.seconds
            )
            pending += (await self.protector.take(request)).pending
        return tuple(dict.fromkeys(pending))

    async def lift(self, region: str, target: str) -> int:
        """Take a person's word back; how many there were. Breakers trip again if there is reason to."""
        words = [one for one in await self._holding(region, target) if one.tier is Tier.PERSON]
        await self._end(region, words)
        return len(words)

    async def _holding(self, region: str, target: str) -> list[Intent]:
        found = await asyncio.to_thread(intents.holding, self.store, region)
        return [one for one in found if one.target == target]

    async def _end(self, region: str, ended: Iterable[Intent]) -> None:
        ended = list(ended)
        for lease in [lease for intent in ended for lease in leases(intent)]:
            await self.protector.release(lease)
        await asyncio.to_thread(intents.end, self.store, region, [one.id for one in ended], datetime.now(UTC))


def protections(word: IntentRequest) -> list[tuple[str, Protection]]:
    """What the proxies enforce of it, each with the id of its lease."""
    found: list[tuple[str, Protection]] = []
    if word.max_requests is not None:
        found.append((f"{word.id}-limit", LimitAction(max_requests=word.max_requests)))
    if word.retries is not None:
        found.append((f"{word.id}-retries", RetriesAction(max_percent=round(100 * word.retries))))
    return found


def leases(intent: Intent) -> tuple[str, ...]:
    """The ids of those that may go with it; releasing one that was never taken is no harm."""
    if intent.tier is Tier.PERSON:
        return f"{intent.id}-limit", f"{intent.id}-retries"
    return (intent.id,)
