"""Which services go back, in which waves, by which strategies, and what stops all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
from service_states import NOW
from situations import POLICY, catalog, deployed, plan_for, seen, service, situated

from activities.rollback.plan import make_plan
from models.catalog import Catalog, Policy, Service
from models.deployment import Deployment
from models.hold import RolledAway
from models.observation import Observation
from models.plan import Plan, RollbackPlan
from models.point import healthy
from models.recollection import Recollection
from models.said import Said
from models.service_state import ServiceState
from models.telemetry import USERS, NoData
from models.verdict import Finding, Verdict

SOON = Said(began_at=NOW + timedelta(minutes=5))
"""After the newest releases: ``deployed`` dates the newest one at NOW."""


def bad(name: str, **changed: object) -> ServiceState:
    return deployed(name, {"v1": 0, "v2": 100}, ["v2", "v1"], **changed)


def well(name: str) -> ServiceState:
    return deployed(name, {"v1": 100}, ["v1"])


def failing(*states: ServiceState) -> Mapping[str, Observation]:
    return {one.service: seen(one.service, one, failing=["v2"]) for one in states}


def made(
    services: Mapping[str, Service], troubled: Sequence[ServiceState], others: Sequence[ServiceState] = ()
) -> Plan:
    """*troubled*: those whose v2 fails; the first state of all is that of the troubled service."""
    states = (*troubled, *others)
    return make_plan("01K", catalog(services), situated(*states, observations=failing(*troubled), said=SOON), True)


def rollback(plan: Plan) -> RollbackPlan:
    assert plan.rollback is not None, plan.hold
    return plan.rollback


def going(plan: Plan) -> list[str]:
    return [one.state.service for one in rollback(plan).services]


SHOP = {
    "web": service(depends_on=("payments",)),
    "payments": service(depends_on=("ledger",)),
    "ledger": service(),
}


def test_a_caller_that_fails_with_what_it_calls_does_not_go_back() -> None:
    plan = made(SHOP, [bad("web"), bad("payments")], [well("ledger")])
    assert going(plan) == ["payments"]


def test_the_troubled_service_is_confirmed_also_where_another_goes_back() -> None:
    plan = made(SHOP, [bad("web"), bad("payments")], [well("ledger")])
    assert [step.id for step in plan.steps] == [
        "rollback-payments",
        "verify-payments",
        "lift-web",
        "confirm-payments",
        "confirm-web",
    ]


def test_where_no_release_is_the_surer_cause_the_troubled_service_goes_back() -> None:
    plan = make_plan("01K", catalog(SHOP), situated(bad("web"), well("payments"), well("ledger"), said=SOON), True)
    assert going(plan) == ["web"]


def test_an_old_release_of_a_dependency_is_no_cause() -> None:
    late = Said(began_at=NOW + timedelta(hours=30))
    states = (bad("web"), bad("payments"), well("ledger"))
    found = situated(*states, observations=failing(*states[:2]), said=late)
    assert going(make_plan("01K", catalog(SHOP), found, True)) == ["web"]


@pytest.mark.parametrize(
    ("minutes", "cause", "because"),
    [
        (-60, "payments", "v2 was deployed 1:00:00 before the trouble began, and fails"),
        (-61, "web", "v2 was deployed 1:01:00 before the trouble began, more than 1:00:00"),
        (0, "payments", "v2 was deployed 0:00:00 before the trouble began, and fails"),
        (
            15,
            "payments",
            "v2 was deployed 0:15:00 after the trouble began, which clocks that differ explain, and fails",
        ),
        (16, "web", "v2 was deployed 0:16:00 after the trouble began, so it did not begin it"),
    ],
    ids=["an hour before", "longer before", "just then", "a little later, by another clock", "later"],
)
def test_a_release_is_a_cause_only_where_it_came_soon_before_the_trouble(
    minutes: float, cause: str, because: str
) -> None:
    """*minutes*: of the deployment after the beginning."""
    said = Said(began_at=NOW - timedelta(minutes=minutes))
    states = (bad("web"), bad("payments"), well("ledger"))
    found = situated(*states, observations=failing(*states[:2]), said=said)
    plan = make_plan("01K", catalog(SHOP), found, True)
    assert going(plan) == [cause]
    assert because in " ".join((rollback(plan).selected_because, *(one.reason for one in plan.rejected)))


def test_a_release_that_is_deployed_once_more_during_the_trouble_stays_its_cause() -> None:
    again = deployed("payments", {"v1": 0, "v2": 100}, ["v2", "v2", "v1"])
    found = situated(again, observations=failing(again), said=Said(began_at=NOW - timedelta(minutes=50)))
    because = " ".join(one.reason for one in make_plan("01K", catalog(), found, True).rejected)
    assert "the cause is clear: v2 was deployed 0:10:00 before the trouble began, and fails" in because


def test_an_old_release_that_is_deployed_once_more_in_the_trouble_is_no_surer_cause_for_it() -> None:
    days_ago = {"v2": (0, 30), "v1": (60,)}
    history = tuple(Deployment(release=r, at=NOW - timedelta(days=n)) for r, ages in days_ago.items() for n in ages)
    twice = bad("payments").model_copy(update={"deployments": history})
    found = situated(twice, observations=failing(twice), said=Said(began_at=NOW - timedelta(minutes=5)))
    because = " ".join(one.reason for one in make_plan("01K", catalog(), found, True).rejected)
    assert "not sure that the release is the cause: v2 was deployed 29 days" in because


@pytest.mark.parametrize("declaring", ["payments", "ledger"])
def test_what_is_released_together_goes_back_together_whoever_says_so(declaring: str) -> None:
    other = {"payments": "ledger", "ledger": "payments"}[declaring]
    services = {"payments": service(), "ledger": service()}
    services[declaring] = service(released_with=(other,))
    plan = made(services, [bad("payments")], [bad("ledger")])
    assert going(plan) == ["payments", "ledger"]
    assert rollback(plan).strategy == "staged"


TOGETHER = {
    "payments": service(depends_on=("ledger",), released_with=("ledger",)),
    "ledger": service(),
}


def test_what_others_depend_on_goes_first_and_everything_is_retired_last() -> None:
    plan = rollback(made(TOGETHER, [bad("payments"), bad("ledger")]))
    assert [[lane.service for lane in wave.lanes] for wave in plan.waves] == [
        ["ledger"],
        ["payments"],
        ["ledger", "payments"],
    ]
    *before, last = plan.waves
    assert not any(stage.point_of_no_return for wave in before for lane in wave.lanes for stage in lane.stages)
    assert all(lane.stages[0].point_of_no_return for lane in last.lanes)


def test_one_that_may_not_go_back_without_a_person_stops_all() -> None:
    services = {**TOGETHER, "ledger": service(policy="careful")}
    plan = made(services, [bad("payments"), bad("ledger")])
    assert plan.hold is not None
    assert "ledger must go back too, and its policy does not let Sternway do that without a person" in plan.hold


def outage(now: ServiceState) -> Observation:
    observed = seen(now.service, now, failing=["v2"])
    assert not isinstance(observed.window, NoData)
    arms = {arm: count.model_copy(update={"errors": count.requests}) for arm, count in observed.window.arms.items()}
    return observed.model_copy(update={"window": observed.window.model_copy(update={"arms": arms})})


def test_a_failure_that_is_counted_before_its_request_makes_no_less_of_a_total_outage() -> None:
    payments = bad("payments")
    window = outage(payments).window
    assert not isinstance(window, NoData)
    ahead = window.arms[USERS].model_copy(update={"errors": window.arms[USERS].requests + 1})
    observed = outage(payments).model_copy(
        update={"window": window.model_copy(update={"arms": {**window.arms, USERS: ahead}})}
    )
    plan = make_plan("01K", catalog(), situated(payments, observations={"payments": observed}, said=SOON), True)
    assert "a total outage: all of" in (plan.hold or "")


def emergency_with(ledger: ServiceState, entry: Service, *, allowed_by: str | None = None) -> Plan:
    """Of payments, whose policy allows it, in a total outage; and of *ledger*, which is released with it."""
    services = {"payments": service(released_with=("ledger",)), "ledger": entry}
    payments = bad("payments")
    said = SOON.model_copy(update={"emergency_allowed_by": allowed_by})
    found = situated(payments, ledger, observations={"payments": outage(payments)}, said=said)
    known = catalog(services, POLICY.model_copy(update={"emergency": True}))
    never = Policy(rollback=POLICY)
    return make_plan("01K", known.model_copy(update={"policies": {**known.policies, "never": never}}), found, True)


def test_an_emergency_takes_all_of_them_back_side_by_side() -> None:
    plan = rollback(emergency_with(bad("ledger"), service()))
    assert (plan.strategy, plan.priority) == ("emergency", 1)
    assert [lane.service for lane in plan.waves[0].lanes] == ["payments", "ledger"]


@pytest.mark.parametrize(
    ("ledger", "entry", "why"),
    [
        (bad("ledger"), service(policy="careful"), "does not let Sternway do that"),
        (deployed("ledger", {"v2": 100}, ["v2"]), service(), "no release older than v2 is known"),
        (bad("ledger"), service(incompatible=("v1",)), "fix it forward"),
        (bad("ledger", room=2), service(), "there is room for 2"),
        (bad("ledger"), service(policy="never"), "neither the policy of ledger nor a person allows an emergency"),
    ],
    ids=["not without a person", "no way back", "incompatible", "no room", "its policy allows no emergency"],
)
def test_an_emergency_asks_every_service_whether_it_may_go_back(ledger: ServiceState, entry: Service, why: str) -> None:
    plan = emergency_with(ledger, entry)
    assert plan.rollback is None
    assert plan.hold is not None
    assert plan.hold.startswith("ledger: ")
    assert why in plan.hold


def test_a_person_who_allows_an_emergency_allows_it_for_all_that_go_back() -> None:
    plan = rollback(emergency_with(bad("ledger"), service(policy="never"), allowed_by="ada"))
    assert [one.strategy for one in plan.services] == ["emergency", "emergency"]


def remembered(**known: object) -> Recollection:
    return Recollection.model_validate(known)


def alone(recollection: Recollection | None, now: ServiceState, entry: Service | None = None) -> Plan:
    known = {"payments": recollection} if recollection else {}
    chosen: Catalog = catalog({"payments": entry or service()})
    return make_plan("01K", chosen, situated(now, recollections=known, said=SOON), True)


THREE = deployed("payments", {"v3": 100}, ["v3", "v2", "v1"])
ROLLED_AWAY = RolledAway(release="v2", since=NOW - timedelta(minutes=30), incident="01J")
"""After v2 was deployed, and before v3. It is remembered whether or not v3 has ended the hold."""


def test_when_the_next_release_fails_too_the_way_back_does_not_lead_to_the_one_that_failed_before() -> None:
    """v2 was rolled back to v1 and held; then v3 was deployed, and fails."""
    plan = rollback(alone(remembered(holds=(ROLLED_AWAY,)), THREE))
    assert (plan.first.bad, plan.first.target) == ("v3", "v1")
    assert (
        "not v2: it was rolled away from by incident 01J, and since then neither a person nor a soak has shown that it "
        "is well"
    ) in plan.selected_because


def test_a_release_that_was_rolled_away_from_is_gone_back_to_again_once_a_person_or_a_soak_speaks_for_it() -> None:
    lifted = remembered()
    assert rollback(alone(lifted, THREE)).first.target == "v2"
    served = deployed("payments", {"v2": 100}, ["v2", "v1"])
    passed = Verdict(finding=Finding.PASS, sentence="0 of 500 failed")
    proof = healthy(served, "v2", passed, POLICY, ROLLED_AWAY.since + timedelta(minutes=10))
    assert rollback(alone(remembered(holds=(ROLLED_AWAY,), points=(proof,)), THREE)).first.target == "v2"


def test_without_memory_the_plan_says_that_holds_are_not_known() -> None:
    assert (
        "which releases are held is not known: no store could be asked" in rollback(alone(None, THREE)).selected_because
    )


def test_a_name_that_nobody_knows_here_is_neither_the_newest_release_nor_a_target() -> None:
    told = Deployment(release="9f3c1e7", at=NOW + timedelta(minutes=1))
    plan = rollback(alone(remembered(deployments=(told,)), bad("payments")))
    assert (plan.first.bad, plan.first.target) == ("v2", "v1")
    assert "9f3c1e7 was told of and is not known here" in plan.selected_because


def test_an_incompatible_release_is_for_fixing_forward() -> None:
    plan = alone(remembered(), bad("payments"), service(incompatible=("v1",)))
    assert plan.hold is not None
    assert "rule 3 incompatible" in plan.hold


def test_what_the_platform_cannot_run_is_no_target() -> None:
    plan = alone(remembered(), bad("payments", runnable=("v2",)))
    assert plan.hold is not None
    assert "the platform does not know any more how to run it" in plan.hold


def test_where_nothing_is_seen_nothing_is_changed() -> None:
    now = bad("payments")
    dark = Observation(window=NoData(service="payments", region="eu", reason="Envoy is away"), verdicts={})
    plan = make_plan("01K", catalog(), situated(now, observations={"payments": dark}), True)
    assert plan.hold is not None
    assert "nothing is seen of payments" in plan.hold


@pytest.mark.parametrize("strategy", ["immediate", "canary-reverse", "blue-green"])
def test_a_strategy_that_the_policy_names_gives_way_to_the_room_that_there_is(strategy: str) -> None:
    named = POLICY.model_copy(update={"strategy": strategy})
    full = deployed("payments", {"v1": 0, "v2": 100}, ["v2", "v1"], replicas={"v2": 10}, ready={"v2": 10})
    assert rollback(plan_for(full.model_copy(update={"room": 15}), rollback=named)).strategy == "gradual"
    assert plan_for(full.model_copy(update={"room": 10}), rollback=named).rollback is None
