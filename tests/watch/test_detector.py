"""Which alerts fire: the culprit's, and not those of everybody who calls it."""

from __future__ import annotations

from models.alert import Severity
from models.catalog import Availability, Catalog, Region, Service, Slos
from workers.watch.burn import Burn, Rate, Slo, State
from workers.watch.detector import Decision, Detector, blockers_of
from workers.watch.windows import BurnWindow

WINDOW = BurnWindow(60, 5, 14.4, Severity.CRITICAL)
TICKET = BurnWindow(600, 50, 1, Severity.WARNING)
CHAIN = {
    "portal": frozenset({"billing", "payments"}),
    "billing": frozenset({"payments"}),
    "payments": frozenset[str](),
}
B, Q, U = State.BURNING, State.QUIET, State.UNKNOWN


def burn(state: State, window: BurnWindow = WINDOW, slo: Slo = Slo.AVAILABILITY) -> Burn:
    return Burn(slo, window, state, Rate(60, 100, 50, 0.001), Rate(5, 100, 50, 0.001))


def looks(detector: Detector, *seconds: tuple[State, State, State]) -> list[dict[str, Decision]]:
    """One look a second at portal, billing and payments."""
    return [
        detector.update({name: (burn(state),) for name, state in zip(CHAIN, states, strict=True)}, float(now))
        for now, states in enumerate(seconds)
    ]


def firing(decisions: dict[str, Decision]) -> set[str]:
    return {name for name, decision in decisions.items() if decision.firing}


def test_only_the_culprit_fires_and_the_log_can_say_why() -> None:
    found = looks(Detector(CHAIN, grace=2), *[(B, B, B)] * 6)
    assert [firing(d) for d in found] == [{"payments"}] * 6
    assert [d["payments"].began for d in found] == [True] + [False] * 5
    assert found[-1]["portal"].inhibited_by == ("billing", "payments")


def test_callers_that_are_seen_first_wait_for_the_culprit() -> None:
    found = looks(Detector(CHAIN, grace=2), (B, B, Q), (B, B, Q), (B, B, B), (B, B, B))
    assert [firing(d) for d in found] == [set(), set(), {"payments"}, {"payments"}]


def test_a_caller_whose_dependencies_are_well_fires_after_the_grace() -> None:
    found = looks(Detector(CHAIN, grace=2), *[(Q, B, Q)] * 4)
    assert [firing(d) for d in found] == [set(), set(), {"billing"}, {"billing"}]
    assert found[2]["billing"].firing[0].since == 0


def test_after_the_culprit_resolved_callers_fire_only_for_what_comes_later() -> None:
    over = [(Q, B, Q)] * 10
    found = looks(Detector(CHAIN, grace=2), (Q, B, B), (Q, B, B), *over)
    lifted = 2
    assert found[lifted]["payments"].resolved
    fires = [now for now, decisions in enumerate(found) if "billing" in firing(decisions)]
    assert fires[0] == lifted + WINDOW.short


def test_an_alert_that_has_fired_is_not_taken_back_when_a_dependency_begins_to_burn() -> None:
    found = looks(Detector(CHAIN, grace=0), (Q, B, Q), (Q, B, B))
    assert firing(found[1]) == {"billing", "payments"}
    assert not found[1]["billing"].resolved


def test_missing_data_neither_begins_nor_ends_an_alert() -> None:
    found = looks(Detector(CHAIN, grace=0), (Q, Q, U), (Q, Q, B), (Q, Q, U), (Q, Q, U), (Q, Q, Q))
    assert [firing(d) for d in found] == [set(), {"payments"}, {"payments"}, {"payments"}, set()]
    assert [bool(d["payments"].resolved) for d in found] == [False, False, False, False, True]


def test_a_dependency_that_fires_and_is_out_of_sight_still_inhibits() -> None:
    found = looks(Detector(CHAIN, grace=0), (Q, Q, B), (Q, B, U))
    assert firing(found[1]) == {"payments"}


def test_a_ticket_of_a_dependency_does_not_silence_a_page() -> None:
    detector = Detector(CHAIN, grace=0)
    decisions = detector.update(
        {
            "portal": (burn(Q),),
            "billing": (burn(B), burn(B, TICKET)),
            "payments": (burn(Q), burn(B, TICKET)),
        },
        0.0,
    )
    assert [a.severity for a in decisions["billing"].firing] == [Severity.CRITICAL]
    assert [a.severity for a in decisions["payments"].firing] == [Severity.WARNING]


def test_each_objective_has_an_alert_of_its_own() -> None:
    detector = Detector(CHAIN, grace=0)
    quiet = {"portal": (burn(Q),), "billing": (burn(Q),)}
    both = (burn(B), burn(B, slo=Slo.LATENCY))
    assert {a.slo for a in detector.update({**quiet, "payments": both}, 0.0)["payments"].firing} == set(Slo)
    after = detector.update({**quiet, "payments": (burn(B), burn(Q, slo=Slo.LATENCY))}, 1.0)["payments"]
    assert [a.slo for a in after.firing] == [Slo.AVAILABILITY]
    assert [a.slo for a in after.resolved] == [Slo.LATENCY]


def test_an_alert_that_comes_back_is_a_new_one() -> None:
    found = looks(Detector(CHAIN, grace=0), (Q, Q, B), (Q, Q, Q), (Q, Q, B))
    assert found[2]["payments"].began
    assert found[2]["payments"].firing[0].since == 2


def test_blockers_are_the_transitive_dependencies_of_the_region_without_circles() -> None:
    def service(*depends_on: str, regions: tuple[str, ...] = ("eu",)) -> Service:
        slos = Slos(availability=Availability(objective=99.9))
        return Service(tier=1, regions=regions, depends_on=depends_on, slos=slos)

    catalog = Catalog(
        version=1,
        regions={"eu": Region(), "us": Region()},
        services={
            "portal": service("orders", "far"),
            "orders": service("stock", "ledger"),
            "stock": service("orders"),
            "ledger": service(),
            "far": service(regions=("us",)),
        },
    )
    assert blockers_of(catalog, "eu") == {
        "portal": {"orders", "stock", "ledger"},
        "orders": {"ledger"},
        "stock": {"ledger"},
        "ledger": set(),
    }
