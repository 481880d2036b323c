"""An action is chosen when it averts more than it costs, answers to the signs and is within the budget."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from activities.predictor.prevention import choose, signs
from activities.predictor.preventive_actions import ASSUMPTIONS, YOUNG_MINUTES
from models.catalog import PreventionPolicy
from models.prediction import Estimate, Evidence, Risk
from models.prevention import Action, Means, Option, Prevention, Record, Sign, Spent

PLENTY = PreventionPolicy(
    scale=100, warm=10, shift=20, shed=1, restart=True, roll_back=True, dollars_an_hour=1e12, actions_a_day=100
)
NOTHING_SPENT = Spent(dollars=0, actions=0)
MEANS = Means(
    replicas=4,
    room=20,
    replica_dollars=0.002,
    release_minutes=30,
    release_before="v1",
    shift_replicas=1,
    shed_revenue=0.01,
    minutes=60,
    lead_minutes=30,
)


def at_risk(probability: float = 0.5, loss: float | None = 10_000, per_minute: float = 500) -> Risk:
    """*loss*: US dollars of an incident; none: not known."""

    def estimate(expected: float) -> Estimate:
        return Estimate(expected=expected, low=expected / 2, high=expected * 2)

    return Risk(
        service="payments",
        region="eu",
        probability=probability,
        loss=None if loss is None else estimate(loss),
        revenue=None if loss is None else estimate(probability * loss),
        revenue_per_minute=None if loss is None else per_minute,
        customers=None,
        source=None if loss is None else "catalog",
        age=10,
        unknown=("nobody knows",) if loss is None else (),
        sentence="",
    )


def speaks(**weights: float) -> list[Evidence]:
    return [Evidence(metric=metric, weight=weight, rising=True) for metric, weight in weights.items()]


def prevent(
    evidence: list[Evidence],
    risk: Risk | None = None,
    means: Means = MEANS,
    records: tuple[Record, ...] = (),
    rules: PreventionPolicy = PLENTY,
    spent: Spent = NOTHING_SPENT,
) -> Prevention:
    return choose(risk or at_risk(), evidence, means, records, rules, spent)


def option(prevention: Prevention, action: Action) -> Option:
    return next(option for option in prevention.options if option.action is action)


def without(**fields: object) -> Means:
    return MEANS.model_copy(update=fields)


OLD = without(release_minutes=YOUNG_MINUTES + 1)

CHOSEN = {
    "saturation": (speaks(in_flight=1), OLD, Action.SCALE),
    "load without room": (
        speaks(requests_per_second=1), OLD.model_copy(update={"room": 5, "shed_revenue": 0.001}), Action.SHED
    ),
    "memory": (speaks(memory_share=1), OLD, Action.RESTART),
    "connections": (speaks(connections_share=1), OLD, Action.RESTART),
    "slower since a release": (speaks(p95_ms=1), MEANS, Action.ROLL_BACK),
    "errors, too late to roll back": (speaks(error_share=1), without(lead_minutes=2), Action.SHIFT),
    "slower, and nothing but its age explains it": (speaks(p95_ms=1), OLD, Action.RESTART),
    "slower under load, without room": (
        speaks(p95_ms=1, requests_per_second=0.1), OLD.model_copy(update={"room": 5, "shed_revenue": None}), None
    ),
    "what no action answers to": (speaks(temperature=1), MEANS, None),
}  # fmt: skip


@pytest.mark.parametrize(("evidence", "means", "action"), CHOSEN.values(), ids=CHOSEN.keys())
def test_the_action_answers_to_the_signs(evidence: list[Evidence], means: Means, action: Action | None) -> None:
    assert prevent(evidence, means=means).chosen == action


def test_what_the_policy_does_not_approve_is_advised_and_the_next_is_chosen() -> None:
    found = prevent(speaks(p95_ms=1), rules=PLENTY.model_copy(update={"roll_back": False}))
    assert found.options[0].action is Action.ROLL_BACK
    assert found.chosen is Action.SHIFT
    none = prevent(speaks(p95_ms=1), rules=PreventionPolicy(dollars_an_hour=1e12))
    assert none.chosen is None
    assert none.advised
    assert "roll-back: it is only advised, since the policy does not approve it" in none.sentence


def test_where_the_best_is_beyond_the_budget_the_one_within_it_is_chosen() -> None:
    found = prevent(speaks(p95_ms=1), rules=PLENTY.model_copy(update={"dollars_an_hour": 150}))
    assert found.options[0].action is Action.ROLL_BACK
    assert found.chosen is Action.SHIFT


def test_an_action_costs_for_as_long_as_it_is_held() -> None:
    short, long = (
        option(prevent(speaks(in_flight=1), means=without(minutes=minutes)), Action.SCALE).cost for minutes in (30, 120)
    )
    assert short is not None
    assert long is not None
    assert long - short == pytest.approx(90 * 2 * 0.002)


def test_a_share_that_is_shifted_costs_the_replicas_that_it_adds() -> None:
    none, two = (
        option(prevent(speaks(p95_ms=1), means=without(shift_replicas=more)), Action.SHIFT).cost for more in (0, 2)
    )
    assert none is not None
    assert two is not None
    assert two - none == pytest.approx(60 * 2 * 0.002)


OBSTACLES = {
    Action.SCALE: (speaks(in_flight=1), without(room=5), "there is room for 5 replicas, 6 are wanted"),
    Action.WARM: (speaks(p95_ms=1), OLD, "so it is hardly the cause"),
    Action.SHIFT: (speaks(p95_ms=1), without(release_minutes=None), "how old the release is, is not known"),
    Action.SHED: (speaks(in_flight=1), without(shed_revenue=None), "the policy approves no shedding"),
    Action.RESTART: (speaks(memory_share=1), without(replicas=1), "no other replica that serves meanwhile"),
    Action.ROLL_BACK: (speaks(error_share=1), without(release_before=None), "no release to go back to"),
}


@pytest.mark.parametrize("action", OBSTACLES)
def test_what_is_not_possible_says_why_and_comes_last(action: Action) -> None:
    evidence, means, why = OBSTACLES[action]
    found = prevent(evidence, means=means)
    assert found.chosen is not action
    assert why in (option(found, action).cannot or "")
    possible = [option.cannot is None for option in found.options]
    assert possible == sorted(possible, reverse=True)


def test_the_share_of_a_sign_counts_what_no_action_answers_to() -> None:
    evidence = [*speaks(memory_share=1, p50_ms=1, p95_ms=1, temperature=1)]
    assert signs(evidence) == pytest.approx({Sign.MEMORY: 0.25, Sign.LATENCY: 0.5})


def test_a_signal_that_falls_is_no_sign() -> None:
    assert signs([Evidence(metric="memory_share", weight=1, rising=False)]) == {}


def test_the_return_is_what_is_averted_less_running_costs_and_the_harm_that_is_to_be_feared() -> None:
    found = option(prevent(speaks(in_flight=3, temperature=1)), Action.SCALE)
    effect, harm = 0.75 * ASSUMPTIONS[Action.SCALE].against[Sign.SATURATION], ASSUMPTIONS[Action.SCALE].harm
    cost = 2 * 0.002 * MEANS.minutes + harm * 10_000
    assert found.averted == pytest.approx(0.5 * 10_000 * effect)
    assert found.cost == pytest.approx(cost)
    assert found.expected_return == pytest.approx(0.5 * 10_000 * effect - cost)


def test_what_costs_more_than_it_averts_is_not_done() -> None:
    found = prevent(speaks(in_flight=1), at_risk(loss=0.01), means=without(shed_revenue=None))
    assert found.chosen is None
    assert "it averts $0.00 and costs $0.24" in found.sentence


def test_without_a_known_worth_actions_are_advised_by_effectiveness_and_none_is_chosen() -> None:
    found = prevent(speaks(in_flight=1), at_risk(loss=None))
    assert found.chosen is None
    assert found.options[0].action is Action.SCALE
    assert found.options[0].expected_return is None
    assert "it can only be advised, since what payments would lose is not known" in found.sentence


def test_an_action_whose_cost_is_not_known_is_not_chosen() -> None:
    found = prevent(speaks(in_flight=1), means=without(replica_dollars=None, shed_revenue=None))
    assert found.chosen is None
    assert "since its cost is not known" in found.sentence


def test_incidents_that_came_nevertheless_make_an_action_less_effective_and_averted_ones_more() -> None:
    def effectiveness(incidents: int) -> float:
        record = Record(action=Action.SCALE, sign=Sign.SATURATION, foretold=10, incidents=incidents, harmed=0, taken=20)
        return option(prevent(speaks(in_flight=1), records=(record,)), Action.SCALE).effectiveness

    assumed = ASSUMPTIONS[Action.SCALE].against[Sign.SATURATION]
    assert effectiveness(10) < effectiveness(5) < assumed < effectiveness(0)


def test_what_was_averted_is_learned_and_not_credited_for_false_alarms() -> None:
    """As many incidents came as were foretold, so that half of the actions were followed by none means nothing."""
    record = Record(action=Action.SCALE, sign=Sign.SATURATION, foretold=1000, incidents=1000, harmed=0, taken=2000)
    found = option(prevent(speaks(in_flight=1), records=(record,)), Action.SCALE)
    assert found.effectiveness == pytest.approx(0, abs=0.01)


def test_harm_that_was_seen_makes_an_action_dearer() -> None:
    record = Record(action=Action.SCALE, sign=Sign.SATURATION, foretold=10, incidents=0, harmed=5, taken=20)
    dearer = option(prevent(speaks(in_flight=1), records=(record,)), Action.SCALE).cost
    before = option(prevent(speaks(in_flight=1)), Action.SCALE).cost
    assert dearer is not None
    assert before is not None
    assert dearer > before


def test_a_sentence_tells_why_what_it_brings_and_what_it_costs() -> None:
    assert prevent(speaks(memory_share=1), means=OLD).sentence == (
        "restart-replica, since its memory fills: averts about 80% of the loss, $4,000.00, for $100.00; it pays with a "
        "chance of 100%"
    )


EVIDENCE = st.lists(
    st.builds(
        Evidence,
        metric=st.sampled_from(["in_flight", "memory_share", "p95_ms", "error_share", "other"]),
        weight=st.floats(0, 10),
        rising=st.booleans(),
    ),
    max_size=6,
)
ACTIONS = st.sampled_from(Action)


@given(EVIDENCE, ACTIONS, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1e6))
def test_the_return_grows_with_the_probability(
    evidence: list[Evidence], action: Action, one: float, other: float, loss: float
) -> None:
    low, high = (
        option(prevent(evidence, at_risk(probability, loss)), action).expected_return
        for probability in sorted((one, other))
    )
    assert low is not None
    assert high is not None
    assert low <= high + 1e-6


@given(EVIDENCE, ACTIONS, st.floats(0.001, 1), st.floats(1, 1e6), st.floats(1, 100))
def test_what_is_worth_doing_is_worth_more_where_more_is_at_stake(
    evidence: list[Evidence], action: Action, probability: float, loss: float, times: float
) -> None:
    before = option(prevent(evidence, at_risk(probability, loss, loss / 20)), action).expected_return
    assert before is not None
    assume(before > 0)
    after = option(prevent(evidence, at_risk(probability, loss * times, loss * times / 20)), action).expected_return
    assert after is not None
    assert after >= before * (1 - 1e-9)


@given(EVIDENCE, st.floats(0, 1))
def test_an_unknown_worth_never_becomes_a_figure(evidence: list[Evidence], probability: float) -> None:
    found = prevent(evidence, at_risk(probability, loss=None))
    assert found.chosen is None
    assert {option.averted for option in found.options} == {None}
    assert {option.cost for option in found.options} == {None}


@given(
    EVIDENCE,
    st.floats(0, 1),
    st.floats(0, 1e5),
    st.builds(
        lambda dollars, actions: PLENTY.model_copy(update={"dollars_an_hour": dollars, "actions_a_day": actions}),
        st.floats(0, 1e4),
        st.integers(1, 5),
    ),
    st.builds(Spent, dollars=st.floats(0, 1e4), actions=st.integers(0, 5)),
)
def test_the_budget_is_never_exceeded(
    evidence: list[Evidence], probability: float, loss: float, rules: PreventionPolicy, spent: Spent
) -> None:
    found = prevent(evidence, at_risk(probability, loss), rules=rules, spent=spent)
    if found.chosen is None:
        assert found.sentence.startswith("nothing is done: ")
    else:
        cost = option(found, found.chosen).cost
        assert cost is not None
        assert spent.dollars + cost <= rules.dollars_an_hour
        assert spent.actions < rules.actions_a_day
