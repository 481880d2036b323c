"""What the guards inside applications are to do about one target in one region, until it lapses.

Several may want something of the same target: each holds an intent of its own, and :func:`strictest` says what the
guards are told. Like protection at a proxy an intent is a lease (:mod:`models.lease`): it ends unless it is renewed.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from models.base import Frozen, Time


class Tier(StrEnum):
    """From what it follows that the target needs protection. The order is that of who decides."""

    SERVICE = "service"
    """From its own evidence."""
    SYSTEM = "system"
    """From the saturation of what it runs on."""
    PERSON = "person"
    """A person has said so, and stands above all others."""


GuardMode = Literal["on", "shadow", "forced-open", "off"]

MOST_REQUESTS = 1_000_000

MOST_VALUE = 1e300
"""Of a call, either way. A guard that is told of more understands nothing of the line that says so."""


STRICTNESS: tuple[GuardMode, ...] = ("forced-open", "on", "shadow", "off")
"""The strictest first."""


class Rendering(Frozen):
    """What guards are told of a target; what is None is as they are configured."""

    mode: GuardMode | None = None
    least_value: Annotated[float, Field(ge=-MOST_VALUE, le=MOST_VALUE)] | None = None
    """What earns less is turned away."""
    retries: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of the calls that may be retries."""

    @property
    def in_words(self) -> str:
        """For people; empty where it asks for nothing."""
        said = {
            "mode": self.mode,
            "least value": None if self.least_value is None else f"{self.least_value:g}",
            "retries": None if self.retries is None else f"{self.retries:.0%}",
        }
        return ", ".join(f"{name} {value}" for name, value in said.items() if value is not None)


class IntentRequest(Rendering):
    """One wish. The same id always gets the same intent back."""

    id: Annotated[str, Field(min_length=1, max_length=200)]
    owner: str
    """The incident's ULID, or a person."""
    tier: Tier
    region: str
    target: Annotated[str, Field(min_length=1, max_length=500)]
    because: str
    """For people: one sentence."""
    max_requests: Annotated[int, Field(ge=1, le=MOST_REQUESTS)] | None = None
    """In flight to each release: what proxies enforce, and guards are not told."""
    seconds: Annotated[float, Field(gt=0, le=3600)]
    """Time to live from now."""


class Intent(Rendering):
    """A wish as the store holds it."""

    id: str
    owner: str
    tier: Tier
    region: str
    target: str
    because: str
    max_requests: int | None = None
    since: Time
    expires_at: Time
    ended_at: Time | None
    """When it was lifted, or had lapsed; None while it holds."""


class Told(Rendering):
    """What the guards of a target are told."""

    override: bool = False
    """A person's word holds as it is; anything else can only make a guard stricter than it is configured."""


def strictest(intents: Iterable[Intent]) -> Told:
    """What one target's guards are told: the last word of a person as it is, otherwise the strictest of each."""
    wishes = sorted(intents, key=lambda intent: intent.since, reverse=True)
    if word := next((intent for intent in wishes if intent.tier is Tier.PERSON), None):
        return Told(mode=word.mode, least_value=word.least_value, retries=word.retries, override=True)
    modes: list[GuardMode] = [intent.mode for intent in wishes if intent.mode is not None]
    values = [intent.least_value for intent in wishes if intent.least_value is not None]
    retries = [intent.retries for intent in wishes if intent.retries is not None]
    mode = min(modes, key=STRICTNESS.index, default=None)
    return Told(mode=mode, least_value=max(values, default=None), retries=min(retries, default=None))
