"""What a trip is at the proxies and at the guards, told apart so that nothing is shed twice. Pure.

| | proxies | guards |
|---|---|---|
| retries | those that the proxies make by themselves | those of the callers |
| mode | | the breakers of the callers |
| shedding by *mesh* | bound what is in flight | |
| shedding by *guards* | | turn away what earns least |

Outlier detection is at work at the proxies all the time (:mod:`workers.mesh.render`): it ejects one replica among
others, and there is nothing to trip.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from models.breaker import Trip
from models.catalog import BreakerPolicy, GuardShedding, LimitAction, MeshShedding, Protection, RetriesAction
from models.intent import GuardMode, Rendering, Tier

MODES: Mapping[str, GuardMode] = {"arm": "on", "open": "forced-open"}
"""What the catalog calls them; YAML takes an *on* for a yes."""


def at_proxies(breakers: BreakerPolicy, trip: Trip, proxies: int) -> Protection | None:
    """What each of so many proxies enforces, as far as the policy approves it; none: nothing."""
    if trip.tier is Tier.SERVICE and breakers.retries is not None:
        return RetriesAction(max_percent=breakers.retries)
    if trip.tier is Tier.SYSTEM and isinstance(breakers.shed, MeshShedding) and trip.max_requests:
        limit = breakers.shed.max_requests or trip.max_requests
        return LimitAction(max_requests=math.ceil(limit / proxies))
    return None


def at_guards(breakers: BreakerPolicy, trip: Trip) -> Rendering:
    """What the guards are told."""
    if trip.tier is Tier.SERVICE:
        share = None if breakers.retries is None else breakers.retries / 100
        return Rendering(mode=MODES[breakers.guards] if breakers.guards else None, retries=share)
    if trip.tier is Tier.SYSTEM and isinstance(breakers.shed, GuardShedding):
        return Rendering(least_value=breakers.shed.least_value)
    return Rendering()
