"""Counting what was refused, by the reason."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from activities.analytics.store import StoreUnavailable
from workers.gateway.authentication import Unauthenticated
from workers.gateway.body import Overloaded, TooLarge, TooSlow
from workers.gateway.metrics import DELIVERIES

REASONS: dict[type[Exception], str] = {
    Unauthenticated: "unauthenticated",
    TooLarge: "too-large",
    TooSlow: "too-slow",
    Overloaded: "overloaded",
    StoreUnavailable: "store-unavailable",
}


@contextmanager
def refusals(source: str) -> Generator[None]:
    """Count the refusal that leaves the block; the application makes the answer of it."""
    try:
        yield
    except tuple(REASONS) as refused:
        DELIVERIES.labels(source, REASONS[type(refused)]).inc()
        raise
