"""The breakers that are in use in Python, each as its documentation has it: what guards a call, made for one function.

They are installed for the benchmark alone, so nothing here is imported before it is asked for; and they are asked for
as little as can be: counting failures, with no window, no slow calls and nothing learned, where they can do without.

Where calls are to fail and no breaker is to trip, ours has a fixed share: one that learns cannot be told never to. So
the figures of a failure are without the evidence, which is worked out at each bad call of one that learns.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any

Function = Callable[[], Any]
Wrap = Callable[[Function], Function]

PACKAGES = {
    "circuitbreaker": "circuitbreaker==2.1.3",
    "purgatory": "purgatory==3.0.1",
    "aiobreaker": "aiobreaker==1.2.0",
    "pybreaker": "pybreaker==1.4.1",
    "pyresilience": "pyresilience==0.4.1",
    "interlock": "interlock-cb==2.8.2",
}

NEVER = 10**9
"""Failures that are never reached, where a call that fails is to be measured."""

LONG = 300.0
"""Seconds for which an open breaker stays open."""


def ours(limit: int) -> Wrap:
    """With all that is on by default, and slow calls as well."""
    from sternway_guard import Breaker, BreakerSettings, Fixed, Learned

    trips = Fixed(share=1.0, least=limit) if limit == NEVER else Learned()
    return Breaker("bench", BreakerSettings(trips=trips, slow_after=1.0, open_for=LONG, longest_open=LONG))


def circuitbreaker(limit: int) -> Wrap:
    return import_module("circuitbreaker").CircuitBreaker(failure_threshold=limit, recovery_timeout=LONG)


def purgatory(limit: int) -> Wrap:
    return import_module("purgatory").SyncCircuitBreakerFactory(default_threshold=limit, default_ttl=LONG)("bench")


def purgatory_async(limit: int) -> Wrap:
    return import_module("purgatory").AsyncCircuitBreakerFactory(default_threshold=limit, default_ttl=LONG)("bench")


def aiobreaker(limit: int) -> Wrap:
    return import_module("aiobreaker").CircuitBreaker(fail_max=limit, timeout_duration=timedelta(seconds=LONG))


def pybreaker(limit: int) -> Wrap:
    return import_module("pybreaker").CircuitBreaker(fail_max=limit, reset_timeout=LONG)


def pyresilience(limit: int) -> Wrap:
    module = import_module("pyresilience")
    return module.resilient(circuit_breaker=module.CircuitBreakerConfig(failure_threshold=limit, recovery_timeout=LONG))


def interlock(limit: int) -> Wrap:
    """Its windows cannot be switched off; slow calls are measured as ours are. To count in time is what it can do
    without an end."""
    module = import_module("interlock")
    kind = module.WindowType.TIME_BASED if limit == NEVER else module.WindowType.COUNT_BASED
    config = module.Config(
        minimum_number_of_calls=limit,
        slow_call_duration_threshold=1.0,
        wait_duration_in_open=LONG,
        window_type=kind,
    )
    return module.CircuitBreaker(name="bench", config=config)


SYNC: dict[str, Callable[[int], Wrap]] = {
    "ours": ours,
    "circuitbreaker": circuitbreaker,
    "purgatory": purgatory,
    "aiobreaker": aiobreaker,
    "pybreaker": pybreaker,
    "pyresilience": pyresilience,
    "interlock": interlock,
}
ASYNC = {
    "ours": ours,
    "circuitbreaker": circuitbreaker,
    "purgatory": purgatory_async,
    "aiobreaker": aiobreaker,
    "pyresilience": pyresilience,
    "interlock": interlock,
}
