"""A person's word about the breakers before a service: it stands above all that Sternway has tripped, until it lapses.

It is said where everything else is: as an intent in the store, which the guards hear of, and as leases at the region's
control plane for what the proxies enforce. What was said or tripped before ends with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from ulid import ULID

from activities.analytics.store import Store, incidents, intents
from activities.analytics.store.journal import append
from activities.breaker.driver import Protector
from activities.driver import Refused, Unavailable
from models.base import SternwayError
from models.catalog import LimitAction, Protection, RetriesAction
from models.intent import Intent, IntentRequest, Tier
from models.journal import JournalEntry, OperatorSaid
from models.lease import LeaseRequest

OPEN = 10_000
"""Open incidents that are looked at: more than there ever are."""


@dataclass(frozen=True)
class Overrides:
    """At the breakers of one region, whose control plane *protector* reaches."""

    store: Store
    protector: Protector

    async def say(self, word: IntentRequest) -> tuple[str, ...]:
        """Let it be so until it lapses, in the place of any word before; the proxies that have not acknowledged it.

        The guards are told first, and what was there before ends last: nothing is let go between two words. Saying it
        again goes on where it failed. Raises :class:`~models.base.SternwayError`.
        """
        before = await self._holding(word.region, word.target)
        await self._record(word.region, word.target, f"breakers set: {asked_for(word)}", word.owner, word.because)
        await asyncio.to_thread(intents.take, self.store, word, datetime.now(UTC))
        pending: list[str] = []
        try:
            for id, protection in protections(word):
                request = LeaseRequest(
                    id=id,
                    owner=word.owner,
                    service=word.target,
                    protection=protection,
                    seconds=word.seconds,
                    override=True,
                )
                pending += (await self.protector.take(request)).pending
            await self._end(word.region, before)
        except (Refused, Unavailable) as no:
            raise SternwayError(f"the guards are told, and the proxies are not: {no}; say it again") from no
        return tuple(dict.fromkeys(pending))

    async def lift(self, region: str, target: str, by: str, reason: str) -> int:
        """Take a person's word back; how many there were. Raises :class:`~models.base.SternwayError`."""
        words = [one for one in await self._holding(region, target) if one.tier is Tier.PERSON]
        if words:
            await self._record(region, target, "breakers lifted", by, reason)
            await self._end(region, words)
        return len(words)

    async def _record(self, region: str, target: str, action: str, by: str, reason: str) -> None:
        """In the journal of each incident of the service that is open."""
        said = OperatorSaid(action=action, by=by, reason=reason).model_dump(mode="json")
        for one in await asyncio.to_thread(incidents.open_incidents, self.store, OPEN):
            if (one.region, one.service) == (region, target):
                entry = JournalEntry(
                    incident=one.id,
                    source=f"breakers/{ULID()}",
                    source_seq=0,
                    kind="operator",
                    at=datetime.now(UTC),
                    payload=said,
                )
                await asyncio.to_thread(append, self.store, [entry])

    async def _holding(self, region: str, target: str) -> list[Intent]:
        found = await asyncio.to_thread(intents.holding, self.store, region)
        return [one for one in found if one.target == target]

    async def _end(self, region: str, ended: Iterable[Intent]) -> None:
        ended = list(ended)
        await asyncio.to_thread(intents.lift_those, self.store, region, [one.id for one in ended], datetime.now(UTC))
        for lease in [lease for intent in ended for lease in leases(intent)]:
            await self.protector.release(lease)


def protections(word: IntentRequest | Intent) -> list[tuple[str, Protection]]:
    """What the proxies enforce of a person's word, each with the id of its lease."""
    found: list[tuple[str, Protection]] = []
    if word.max_requests is not None:
        found.append((f"{word.id}-limit", LimitAction(max_requests=word.max_requests)))
    if word.retries is not None:
        found.append((f"{word.id}-retries", RetriesAction(max_percent=round(100 * word.retries))))
    return found


def asked_for(intent: IntentRequest | Intent) -> str:
    """What it wants, for people."""
    limit = [f"{intent.max_requests} requests in flight"] if intent.max_requests else []
    return ", ".join(filter(None, [intent.in_words, *limit])) or "as configured"


def leases(intent: Intent) -> tuple[str, ...]:
    """The ids of those that go with it, or may: what an incident has tripped has one of the same id."""
    if intent.tier is Tier.PERSON:
        return tuple(id for id, _ in protections(intent))
    return (intent.id,)
