"""What a control plane tells guards, and what they tell it: version 1.

A guard asks ``GET /v1/guards?region=…`` and is answered a stream of lines, each one JSON object::

    {"v": 1, "epoch": 57, "since": 0,  "ttl": 30, "intents": {"payments": {"mode": "on", "retries": 0.05}}}
    {"v": 1, "epoch": 58, "since": 57, "ttl": 30, "intents": {"payments": null, "search": {"least_value": 5}}}
    {"v": 1, "epoch": 58, "since": 58, "ttl": 30, "intents": {}}

*epoch* numbers the states of a region, and only rises. *since* is the epoch that the line adds to: 0 means that the
intents are all that there are; another one than the guard has means that it has missed something, and it asks again.
An intent with ``"override": true`` is a person's word, and holds as it is. Any other can only make a guard stricter
than it is configured, and leaves alone one that is switched off. An intent of ``null`` is lifted. Every line lets all
intents live for another *ttl* seconds; without one they lapse, and the guard decides alone, as it was configured.

It tells its transitions with ``POST /v1/guards/transitions``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from sternway_guard.settings import Mode, check

VERSION = 1

LARGEST_LINE = 1 << 20
"""Bytes."""

MOST_VALUE = 1e300
"""Of a call, either way."""


class Garbage(Exception):
    """What came is nothing that a control plane of this version says."""


@dataclass(frozen=True)
class Intent:
    """What the control plane wants of the guards of one target, beyond what they are configured to."""

    mode: Mode | None = None
    least_value: float | None = None
    """What earns less is turned away."""
    retries: float | None = None
    """Share of the calls that may be retries."""
    override: bool = False
    """A person's word: it may loosen as well."""

    def __post_init__(self) -> None:
        if self.least_value is not None:
            check("least_value", self.least_value, -MOST_VALUE, MOST_VALUE)
        if self.retries is not None:
            check("retries", self.retries, 0, 1)


@dataclass(frozen=True)
class Update:
    """One line of the stream."""

    epoch: int
    since: int
    ttl: float
    intents: Mapping[str, Intent | None]


def read(line: bytes) -> Update:
    """Raises :class:`Garbage`. What a later version says beside it is passed over."""
    try:
        said: Any = json.loads(line)
        if said["v"] != VERSION:
            raise Garbage(f"version {said['v']!r} of the protocol, and this guard knows version {VERSION}")
        check("ttl", said["ttl"], 0, 3600, above=True)
        check("epoch", said["epoch"], 0)
        check("since", said["since"], 0, said["epoch"])
        intents = {str(target): _intent(one) for target, one in cast("dict[str, Any]", said["intents"]).items()}
        return Update(int(said["epoch"]), int(said["since"]), float(said["ttl"]), intents)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Garbage(f"{line[:200]!r}: {error or type(error).__name__}") from error


def _intent(said: Any) -> Intent | None:
    if said is None:
        return None
    mode = said.get("mode")
    override = said.get("override", False) is True
    return Intent(None if mode is None else Mode(mode), said.get("least_value"), said.get("retries"), override)
