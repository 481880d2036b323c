"""The first rule that matches selects, and every rule before it says why it did not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from service_states import RELEASES, state, states

from activities.rollback.selection import RULES, STRATEGIES, select
from models.service_state import ServiceState


def test_without_a_target_a_person_is_needed() -> None:
    selection = select(state({"v1": 100}), None)
    assert (selection.strategy, selection.rejected) == (None, ())
    assert selection.because == "rule 1 no valid target: there is no valid target"


def test_with_a_target_it_is_immediate_and_the_first_rule_says_why_not() -> None:
    selection = select(state({"v2": 100}), "v1")
    assert selection.strategy == "immediate"
    assert [(rejected.rule, rejected.reason) for rejected in selection.rejected] == [
        ("1 no valid target", "there is a target")
    ]


@given(states(), st.none() | st.sampled_from(RELEASES))
def test_something_is_always_selected_and_explained(now: ServiceState, target: str | None) -> None:
    selection = select(now, target)
    assert (selection.strategy is None) is (target is None)
    assert selection.strategy is None or selection.strategy in STRATEGIES
    names = [rule.name for rule in RULES]
    taken = len(selection.rejected)
    assert [rejected.rule for rejected in selection.rejected] == names[:taken]
    assert selection.because.startswith(f"rule {names[taken]}: ")
    assert all(rejected.reason for rejected in selection.rejected)


def test_every_rule_names_a_strategy_that_there_is_or_holds() -> None:
    assert {rule.strategy for rule in RULES} - {None} <= set(STRATEGIES)
