"""Propagation names who calls the troubled service, what that is worth, and who suffers now."""

from __future__ import annotations

import pytest

from activities.propagation.engine import dependants, health, spread
from models.catalog import Availability, BusinessValue, Catalog, Latency, Region, Service, Slos, TierDefaults
from models.telemetry import USERS, Count, NoData, Window, WindowReading
from models.verdict import Finding

SLOS = Slos(availability=Availability(objective=99), latency=Latency(objective=90, threshold_ms=100))
ALL_BAD = Count(requests=900, errors=900, slow=0)


def service(
    tier: int, *depends_on: str, regions: tuple[str, ...] = ("eu",), value: BusinessValue | None = None
) -> Service:
    return Service(tier=tier, regions=regions, depends_on=depends_on, slos=SLOS, value=value or BusinessValue())


CATALOG = Catalog(
    version=1,
    regions={"eu": Region(), "us": Region()},
    services={
        "ledger": service(1),
        "payments": service(1, "ledger", value=BusinessValue(revenue_per_minute=50, customers=10)),
        "billing": service(2, "ledger", value=BusinessValue(revenue_per_minute=400)),
        "reports": service(4, "ledger"),
        "audit": service(1, "ledger", regions=("us",)),
        "portal": service(1, "payments"),
    },
    tiers={4: TierDefaults(revenue_per_minute=3, customers=7)},
)


def window(requests: int, errors: int = 0, slow: int = 0) -> Window:
    arms = {USERS: Count(requests=requests, errors=errors, slow=slow)}
    return Window(service="any", region="eu", seconds=10, arms=arms)


def test_only_direct_dependants_of_the_region_are_named_those_worth_most_first() -> None:
    found = spread(CATALOG, "eu", "ledger", {})
    assert [dependant.service for dependant in found.dependants] == ["billing", "payments", "reports"]
    assert dependants(CATALOG, "us", "ledger") == ("audit",)


def test_what_they_are_worth_says_where_the_figure_comes_from() -> None:
    worth = {dependant.service: dependant.impact for dependant in spread(CATALOG, "eu", "ledger", {}).dependants}
    assert (worth["payments"].revenue_per_minute, worth["payments"].source) == (50, "catalog")
    assert (worth["billing"].revenue_per_minute, worth["billing"].source) == (400, "tier-default")
    assert (worth["reports"].revenue_per_minute, worth["reports"].customers) == (3, 7)


def test_the_sentence_tells_who_suffers_who_does_not_and_who_is_not_known() -> None:
    windows: dict[str, WindowReading] = {"billing": window(500, errors=100), "payments": window(500)}
    assert spread(CATALOG, "eu", "ledger", windows).sentence == (
        "3 services depend on ledger in eu; 1 suffering now: billing ($400/min, tier-default); "
        "1 within objectives: payments ($50/min); 1 not known: reports ($3/min, tier-default)"
    )
    assert spread(CATALOG, "eu", "portal", {}).sentence == "no service of the catalog depends on portal in eu"


@pytest.mark.parametrize(
    ("reading", "finding"),
    [
        (None, Finding.INCONCLUSIVE),
        (NoData(service="any", region="eu", reason="away"), Finding.INCONCLUSIVE),
        (Window(service="any", region="eu", seconds=9, arms={"v1": ALL_BAD}), Finding.INCONCLUSIVE),
        (window(0), Finding.INCONCLUSIVE),
        (window(19), Finding.INCONCLUSIVE),
        (window(19, errors=19), Finding.INCONCLUSIVE),
        (window(20), Finding.PASS),
        (window(1000, errors=10), Finding.PASS),
        (window(1000, errors=12), Finding.INCONCLUSIVE),
        (window(1000, errors=40), Finding.FAIL),
        (window(1000, slow=100), Finding.PASS),
        (window(3000, errors=30, slow=300), Finding.PASS),
        (window(1000, slow=300), Finding.FAIL),
    ],
)
def test_health_fails_only_when_it_is_sure_and_passes_only_on_data(
    reading: WindowReading | None, finding: Finding
) -> None:
    assert health(reading, SLOS) is finding
