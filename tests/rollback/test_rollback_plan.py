"""A plan rolls back, verifies, lifts and confirms in that order, shows all of it, and is told apart by its hash."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_states import RELEASES, state, states
from situations import POLICY, catalog, plan_for, situated

from activities.rollback.plan import make_plan
from activities.rollback.preview import in_shares, passes_when
from models.catalog import RollbackPolicy
from models.plan import ConfirmWork, LiftWork, Plan, RollbackWork, VerifyWork
from models.service_state import ServiceState
from models.stage import Check, Ready, Routed

BAD_RELEASE = state({"v1": 0, "v2": 100}, {"v2": 3}, ["v2", "v1"])
KNOWN = st.lists(st.sampled_from(RELEASES), unique=True)


def plan(now: ServiceState = BAD_RELEASE, *, protected: bool = True, policy: RollbackPolicy = POLICY) -> Plan:
    return plan_for(now, (), policy, protected=protected)


def test_a_protected_service_is_rolled_back_verified_unprotected_and_confirmed() -> None:
    made = plan()
    assert [(step.id, step.depends_on, type(step.work)) for step in made.steps] == [
        ("rollback-payments", (), RollbackWork),
        ("verify-payments", ("rollback-payments",), VerifyWork),
        ("lift-payments", ("verify-payments",), LiftWork),
        ("confirm-payments", ("lift-payments",), ConfirmWork),
    ]
    assert made.hold is None
    assert made.rollback is not None
    assert (made.rollback.strategy, made.rollback.first.target, made.rollback.first.bad) == ("immediate", "v1", "v2")


def test_without_a_protection_there_is_nothing_to_lift() -> None:
    made = plan(protected=False)
    assert [step.id for step in made.steps] == ["rollback-payments", "verify-payments", "confirm-payments"]
    assert made.steps[-1].depends_on == ("verify-payments",)


def test_what_is_verified_is_the_capacity_that_the_rollback_was_to_reach() -> None:
    made = plan()
    verify, confirm = made.steps[1].work, made.steps[3].work
    assert verify == VerifyWork(service="payments", release="v1", replicas=3)
    assert confirm == ConfirmWork(service="payments", seconds=5, extension=7, min_requests=30)


def test_without_a_way_back_the_plan_is_a_hold_with_its_reason() -> None:
    made = plan(state({"v1": 100}, deployed=["v1"]))
    assert (made.steps, made.rollback) == ((), None)
    why = "no release older than v1 is known: neither the platform nor the catalog names one"
    assert made.hold == f"payments: rule 1 no way back: {why}"


def test_the_preview_says_why_and_what_and_where_the_point_of_no_return_is() -> None:
    made = plan()
    assert made.preview[0] == "immediate rollback of payments in eu from v2 to v1"
    assert made.preview[1].endswith("v1 was deployed before v2")
    assert [line for line in made.preview if "point of no return" in line] == [
        "stage retire: scale v2 from 3 to 0  [point of no return: the gate before it must have passed]"
    ]
    assert made.preview[-1] == "then confirm that the users of payments are served"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (Ready(release="v1", replicas=1, timeout=20), "1 replica of v1 is ready within 20 s"),
        (Ready(release="v2", replicas=0, timeout=20), "0 replicas of v2 are ready within 20 s"),
        (Routed(weights={"v1": 10, "v2": 90}, timeout=5), "every proxy routes v1 10%, v2 90% within 5 s"),
    ],
)
def test_a_check_is_told_in_words(asked: Check, says: str) -> None:
    assert passes_when(asked) == says


def test_where_nothing_is_routed_that_is_said() -> None:
    assert in_shares({}) == "nothing"


def test_a_release_that_has_its_replicas_already_keeps_them() -> None:
    made = plan(state({"v1": 0, "v2": 100}, {"v1": 3, "v2": 3}, ["v2", "v1"]))
    assert made.rollback is not None
    titles = [step.title for stage in made.rollback.stages_of("payments") for step in stage.steps]
    assert titles[0] == "keep v1 at 3"


@given(states(), KNOWN, st.booleans())
def test_a_plan_is_either_a_hold_or_a_graph_in_topological_order(
    now: ServiceState, known: list[str], protected: bool
) -> None:
    made = plan_for(now, known, protected=protected)
    assert (made.hold is None) is bool(made.steps)
    seen: set[str] = set()
    for step in made.steps:
        assert set(step.depends_on) <= seen
        assert step.id not in seen
        seen.add(step.id)


@given(states(), KNOWN, st.booleans())
def test_the_preview_names_every_stage_and_every_step(now: ServiceState, known: list[str], protected: bool) -> None:
    made = plan_for(now, known, protected=protected)
    text = "\n".join(made.preview)
    for step in made.steps:
        if isinstance(step.work, RollbackWork):
            for stage in step.work.rollback.stages_of("payments"):
                assert f"stage {stage.name}: " in text
                assert all(each.title in text for each in stage.steps)
                assert stage.gate is None or f"  gate: {passes_when(stage.gate)}" in made.preview
                assert all(f"  must pass: {passes_when(c)}" in made.preview for s in stage.steps if (c := s.check))
        else:
            assert f"then {step.title}" in made.preview


@given(states(), states(), KNOWN, st.booleans(), st.booleans())
def test_two_plans_have_the_same_hash_exactly_when_they_say_the_same(
    one: ServiceState, other: ServiceState, known: list[str], protected: bool, protected_other: bool
) -> None:
    first = plan_for(one, known, protected=protected)
    second = plan_for(other, known, protected=protected_other)
    assert (first.hash == second.hash) is (first == second)


@given(states(), KNOWN)
def test_a_hash_does_not_depend_on_the_order_of_names(now: ServiceState, known: list[str]) -> None:
    turned = now.model_copy(update={"weights": dict(reversed(now.weights.items()))})
    assert plan_for(turned, known).hash == plan_for(now, known).hash
    assert turned.fingerprint() == now.fingerprint()


def test_the_hash_covers_the_state_the_policy_and_the_incident() -> None:
    moved = BAD_RELEASE.model_copy(update={"mesh_generation": 8})
    others = [
        plan(moved),
        plan(BAD_RELEASE.model_copy(update={"platform_generation": 9})),
        plan(BAD_RELEASE.model_copy(update={"replicas": {"v2": 4}})),
        plan(policy=RollbackPolicy(soak=6)),
        plan(protected=False),
        make_plan("01L", catalog(), situated(BAD_RELEASE), True),
    ]
    assert len({made.hash for made in (plan(), *others)}) == 1 + len(others)


def test_readiness_moves_by_itself_and_makes_no_plan_stale() -> None:
    assert BAD_RELEASE.model_copy(update={"ready": {"v2": 0}}).fingerprint() == BAD_RELEASE.fingerprint()
    changes: list[dict[str, object]] = [
        {"weights": {"v2": 99, "v1": 1}},
        {"replicas": {}},
        {"mesh_generation": 8},
        {"region": "us"},
    ]
    for change in changes:
        assert BAD_RELEASE.model_copy(update=change).fingerprint() != BAD_RELEASE.fingerprint()
