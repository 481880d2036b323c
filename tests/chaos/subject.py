"""Who is rolled back in a scenario, and by which strategy: every strategy has services of its own, from v2 to v1.

They follow from the strategies that there are: a new one has its service, its policy and its scenario by being there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from activities.rollback.selection import STRATEGIES
from activities.rollback.strategies import canary_reverse, emergency, immediate, staged
from workers.local.world import variable


@dataclass(frozen=True)
class Subject:
    strategy: str
    services: tuple[str, ...]
    """The first is the one that the alert names; it depends on the others and is released with them."""
    asks: tuple[str, str] = ("GET", "/")
    """What its one user asks for: blue-green needs requests that may be copied."""
    every: float = 0.01
    """Seconds between two requests of that user."""
    fails: int = 0
    """How many of ten requests v2 answers with an error."""
    breakers: bool = False
    """Whether its breakers may trip."""

    @property
    def troubled(self) -> str:
        return self.services[0]


PAYMENTS = Subject(immediate.NAME, ("payments",), ("POST", "/pay"), every=0.03)
"""As in the demo: it calls the ledger, which can answer in its place."""


def subject(strategy: str) -> Subject:
    match strategy:
        case immediate.NAME:
            return PAYMENTS
        case staged.NAME:
            return Subject(strategy, (strategy, f"{strategy}-below"))
        case canary_reverse.NAME:
            # Some 550 errors beside its 5% show that the target is better; if all failed, it would be an emergency.
            return Subject(strategy, (strategy,), every=0.002, fails=9)
        case emergency.NAME:
            return Subject(strategy, (strategy,), fails=10, breakers=True)
        case _:
            return Subject(strategy, (strategy,))


SUBJECTS = tuple(map(subject, (*STRATEGIES, staged.NAME)))

SERVICES = ("ledger", *(service for each in SUBJECTS for service in each.services))


def catalog() -> str:
    """The world's, as text: JSON is YAML."""
    return json.dumps(
        {
            "version": 1,
            "regions": {
                "eu": {
                    "mesh": {"envoy": {"kind": "envoy", "url": "${MESH}", "proxies": ["envoy-eu"]}},
                    "platform": {"local": {"kind": "local", "url": "${AGENT}"}},
                    "telemetry": {"envoy": {"kind": "envoy", "url": "${ENVOY}"}},
                }
            },
            "defaults": {"mesh": "envoy", "platform": "local", "telemetry": "envoy"},
            "policies": {each.strategy: _policy(each) for each in SUBJECTS},
            "services": {
                "ledger": _service("ledger", tier=2),
                **{name: entry for each in SUBJECTS for name, entry in _services(each)},
            },
        },
        indent=1,
    )


def _policy(of: Subject) -> dict[str, Any]:
    limits = {"ready_timeout": 20, "drain_timeout": 10, "soak": 1, "soak_extension": 4, "min_requests": 10}
    if of is PAYMENTS:
        return _policy_with({"action": "fallback", "share": 50}, limits)
    chosen: dict[str, Any] = {"strategy": of.strategy}
    if of.strategy == emergency.NAME:
        chosen = {"emergency": True, "loss_budget": 0.01}
    elif of.strategy == staged.NAME:
        chosen = {"strategy": immediate.NAME}  # of each service in its wave
    protect = {"action": "limit", "max_requests": 100}
    breakers = {"breakers": {"retries": 0, "guards": "arm"}, "lease": 5} if of.breakers else {}
    return {**_policy_with(protect, {**limits, "soak_extension": 20, **chosen}), **breakers}


def _policy_with(protect: dict[str, Any], rollback: dict[str, Any]) -> dict[str, Any]:
    return {"protect": protect, "lease": 6, "hold_timeout": 120, "rollback": rollback}


def _services(of: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
    if of is PAYMENTS:
        slos = {"availability": {"objective": 95}, "latency": {"objective": 50, "threshold_ms": 1000}}
        more = {"slos": slos, "depends_on": ["ledger"], "fallback": "ledger"}
        yield of.troubled, _service(of.troubled, policy=of.strategy, **more)
        return
    for number, name in enumerate(of.services):
        others = list(of.services[number + 1 :])
        # The more an objective allows, the later breakers trip: here before the traffic has moved.
        more = {"slos": {"availability": {"objective": 99.9}}} if of.breakers else {}
        yield name, _service(name, policy=of.strategy, depends_on=others, released_with=others, **more)


def _service(name: str, **more: Any) -> dict[str, Any]:
    port = f"${{{variable(name)}}}"
    slos = {"availability": {"objective": 95}}
    return {"tier": 1, "regions": ["eu"], "port": port, "slos": slos, "releases": ["v1"], **more}
