"""What Prometheus sees of guards, under names that dashboards depend on."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from sternway_guard import BreakerOpen, BreakerSettings, Fixed, GuardSettings, LimitSettings, Registry
from sternway_guard.prometheus import GuardCollector


def test_each_guard_shows_its_state_and_what_it_did_not_let_through() -> None:
    registry = Registry(GuardSettings(BreakerSettings(trips=Fixed(least=1)), limit=LimitSettings(initial=7)))
    breaker = registry.guard("payments").breaker
    breaker.begin().end(ValueError())
    for _ in range(2):
        try:
            breaker.begin()
        except BreakerOpen:
            continue
    scraped = CollectorRegistry()
    scraped.register(GuardCollector(registry))
    shown = generate_latest(scraped).decode().splitlines()
    for line in (
        'guard_breaker_open{target="payments"} 1.0',
        'guard_breaker_not_permitted_total{target="payments"} 2.0',
        'guard_limiter_limit{target="payments"} 7.0',
        'guard_limiter_running{target="payments"} 0.0',
        'guard_limiter_shed_total{target="payments"} 0.0',
        "guard_alone 1.0",
        "guard_epoch 0.0",
    ):
        assert line in shown
