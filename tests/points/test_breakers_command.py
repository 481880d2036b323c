"""``sternway breakers``: a person's word reaches the proxies and the guards, and ends what was tripped."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from activities.analytics.store import intents
from models.catalog import LimitAction, Protection, RetriesAction
from models.intent import IntentRequest, Tier, Told
from models.lease import LeaseRequest
from tests.points.conftest import Kept
from tests.points.test_commands import sternway
from workers.local.world import REGION

pytestmark = pytest.mark.asyncio(loop_scope="session")

WHO = ("--by", "somebody", "--reason", "to see")
SET = ("breakers", "set", "payments", "eu", *WHO)
LIFT = ("breakers", "lift", "payments", "eu", *WHO)


def told(kept: Kept) -> dict[str, Told]:
    return intents.state(kept.store, REGION)[1]


async def enforced(kept: Kept) -> list[Protection | None]:
    return [lease.protection for lease in await kept.world.leases("payments")]


async def test_a_word_is_with_the_proxies_and_the_guards_until_it_is_lifted(kept: Kept) -> None:
    said = await sternway(kept, *SET, "--retries", "0", "--max-requests", "40", "--mode", "shadow")
    assert (said.status, "are overridden until" in said.out) == (0, True), said.err
    assert told(kept) == {"payments": Told(mode="shadow", retries=0, override=True)}
    assert await enforced(kept) == [LimitAction(max_requests=40), RetriesAction(max_percent=0)]
    listed = await sternway(kept, "breakers", "list")
    assert "mode shadow, retries 0%, 40 requests in flight" in listed.out
    assert "somebody" in listed.out
    (as_json,) = (await sternway(kept, "breakers", "list", "--json")).json()
    assert (as_json["target"], as_json["tier"], as_json["because"]) == ("payments", "person", "to see")

    assert (await sternway(kept, *SET, "--mode", "off")).status == 0
    assert told(kept) == {"payments": Told(mode="off", override=True)}, "the second word is in the place of the first"
    assert await enforced(kept) == []

    assert (await sternway(kept, *LIFT)).status == 0
    assert told(kept) == {}
    assert (await sternway(kept, "breakers", "list")).out.strip() == "no breakers are tripped or overridden"
    again = await sternway(kept, *LIFT)
    assert (again.status, "nobody overrides the breakers of payments" in again.err) == (2, True)


async def test_what_an_incident_has_tripped_ends_with_a_person_s_word(kept: Kept) -> None:
    common: dict[str, Any] = {"id": "01A-service", "owner": "01A", "seconds": 60}
    wish = IntentRequest(
        **common, tier=Tier.SERVICE, region=REGION, target="payments", because="it fails", mode="forced-open"
    )
    intents.take(kept.store, wish, datetime.now(UTC))
    protector = await kept.world.directory.protector(kept.world.scope())
    await protector.take(LeaseRequest(**common, service="payments", protection=RetriesAction(max_percent=0)))

    assert (await sternway(kept, *SET, "--mode", "on")).status == 0

    assert told(kept) == {"payments": Told(mode="on", override=True)}
    assert await enforced(kept) == []
    assert (await sternway(kept, *LIFT)).status == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (SET, "say what they are to do: --mode"),
        ((*SET, "--mode", "open"), "it is one of on, shadow, forced-open, off; did you mean forced-open?"),
        (("breakers", "list", "--region", "nowhere"), "the catalog has no region nowhere; it has eu"),
        (("breakers", "set", "nobody", *SET[3:], "--mode", "on"), "nobody is not in the catalog"),
        (("breakers", "set", "payments", "us", *SET[4:], "--mode", "on"), "payments runs in eu"),
    ],
)
async def test_a_word_that_means_nothing_is_refused_with_the_cure(kept: Kept, words: tuple[str, ...], why: str) -> None:
    said = await sternway(kept, *words)
    assert said.status == 2
    assert why in said.err
    assert told(kept) == {}
