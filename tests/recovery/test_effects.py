"""What is still in effect, and in which order it is taken back: tables, and properties over whole ledgers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.identity import Key
from models.receipt import Outcome, Receipt
from workers.ledger import Ledger
from workers.recovery.effects import Effect, NotByItself, effects, left_behind, step_back, way_back

START = datetime(2026, 1, 1, tzinfo=UTC)


def key(step: str, attempt: int = 1) -> Key:
    return Key(incident="I", step=f"payments.{step}", attempt=attempt)


def did(step: str, second: int, *, resource: str = "payments", attempt: int = 1) -> Receipt:
    return Receipt(
        key=str(key(step, attempt)),
        resource=resource,
        before={step: None},
        after={step: 1},
        generation=second,
        outcome=Outcome.APPLIED,
        at=START + timedelta(seconds=second),
    )


def undid(step: str, second: int, outcome: Outcome = Outcome.RESTORED, attempt: int = 1) -> Receipt:
    done = did(step, second, attempt=attempt)
    return done.model_copy(update={"key": str(key(step, attempt).undo()), "outcome": outcome, "after": done.before})


def names(found: tuple[Effect, ...]) -> list[str]:
    return [effect.step.removeprefix("payments.") for effect in found]


def test_the_last_change_over_all_control_planes_is_the_first_to_go() -> None:
    found = effects(
        {
            "platform": [did("scale-target", 1), did("retire", 4)],
            "mesh": [did("switch", 2), did("drain", 3)],
        }
    )
    assert names(way_back(found).steps) == ["retire", "drain", "switch", "scale-target"]


def test_within_a_control_plane_the_ledger_s_order_counts_also_when_its_clock_was_set_back() -> None:
    found = effects({"mesh": [did("switch", 20), did("drain", 3)], "platform": [did("scale-target", 10)]})
    assert names(found).index("drain") < names(found).index("switch")


def test_what_never_happened_is_no_effect() -> None:
    assert effects({"mesh": [undid("switch", 1, Outcome.NEVER_HAPPENED)]}) == ()


def test_an_incident_that_is_undone_has_no_way_back() -> None:
    found = effects({"mesh": [did("switch", 1), undid("switch", 2)], "platform": []})
    assert [effect.standing for effect in found] == ["undone"]
    assert way_back(found).steps == ()
    assert left_behind(found) == "nothing that it changed is in effect"


def test_what_is_undone_above_something_in_effect_is_gone_through_again_for_its_replicas() -> None:
    found = effects({"platform": [did("retire", 3), undid("retire", 4)], "mesh": [did("switch", 2)]})
    assert names(way_back(found).steps) == ["retire", "switch"]


def test_what_was_undone_before_the_oldest_change_in_effect_is_left_alone() -> None:
    first = [did("switch", 1), undid("switch", 2)]
    found = effects({"mesh": [*first, did("switch", 3, attempt=2)]})
    assert [step.change.generation for step in way_back(found).steps] == [3]


@pytest.mark.parametrize("below", [True, False])
def test_a_change_that_somebody_else_has_written_over_stops_the_way(below: bool) -> None:
    ledger = [did("drain", 3), undid("drain", 4, Outcome.SUPERSEDED), did("soak", 5)]
    found = effects({"mesh": ledger, "platform": [did("scale-target", 1)] if below else []})
    way = way_back(found)
    assert names(way.steps) == ["soak"]
    assert names(way.left) == (["scale-target"] if below else [])
    assert (way.blocked.step if way.blocked else None) == ("payments.drain" if below else None)


def froze(step: str, second: int, resource: str = "eu/payments") -> Receipt:
    receipt = did(step, second, resource=resource)
    return receipt.model_copy(update={"before": {"frozen": None}, "after": {"frozen": True}})


EMERGENCY = {
    "platform": [froze("freeze", 1), froze("freeze-ledger", 2, "eu/ledger"), did("scale-target", 3)],
    "mesh": [did("switch", 4), did("drain", 5)],
}


@pytest.mark.parametrize("step", ["freeze", "freeze-ledger", "drain"])
def test_one_step_goes_back_alone_where_nothing_relies_on_it(step: str) -> None:
    assert names(step_back(effects(EMERGENCY), f"payments.{step}").steps) == [step]


@pytest.mark.parametrize(
    ("step", "relying"), [("scale-target", "payments.drain, payments.switch"), ("switch", "drain")]
)
def test_a_step_on_which_a_later_change_may_rely_does_not_go_back_alone(step: str, relying: str) -> None:
    with pytest.raises(NotByItself, match=f"take .*{relying} back first"):
        step_back(effects(EMERGENCY), f"payments.{step}")


def test_a_freeze_does_not_go_back_from_under_its_thaw() -> None:
    found = effects({"platform": [froze("freeze", 1), froze("thaw", 2)]})
    with pytest.raises(NotByItself, match=r"payments\.thaw"):
        step_back(found, "payments.freeze")
    assert names(step_back(found, "payments.thaw").steps) == ["thaw"]


def test_a_step_goes_back_once_what_relied_on_it_is_undone() -> None:
    found = effects({"mesh": [did("switch", 1), did("drain", 2), undid("drain", 3)]})
    assert names(step_back(found, "payments.switch").steps) == ["switch"]
    assert step_back(found, "payments.drain").steps == ()


def test_every_attempt_of_a_step_goes_back_with_it() -> None:
    found = effects({"mesh": [did("switch", 1), did("switch", 2, attempt=2)]})
    assert [one.change.generation for one in step_back(found, "payments.switch").steps] == [2, 1]


def test_a_step_that_the_incident_does_not_have_is_answered_with_those_it_has() -> None:
    with pytest.raises(NotByItself, match=r"it has payments\.drain, payments\.switch"):
        step_back(effects({"mesh": [did("switch", 1), did("drain", 2)]}), "payments.freeze")


def test_an_effect_says_what_undoing_it_makes_of_the_fields() -> None:
    change = did("x", 1).model_copy(update={"before": {"weight/v1": 0, "drain/v2": None}})
    change = change.model_copy(update={"after": {"weight/v1": 100, "drain/v2": True}})
    assert Effect("mesh", change).describe() == "payments: weight/v1 100 -> 0, drain/v2 true -> absent"
    assert left_behind([Effect("mesh", change)]) == (
        "still in effect: payments: weight/v1 0 -> 100, drain/v2 absent -> true"
    )


calls = st.lists(
    st.tuples(
        st.sampled_from(["mesh", "platform"]),
        st.sampled_from(["a", "b"]),
        st.integers(0, 2),
        st.sampled_from(["change", "change", "change", "undo", "somebody-else"]),
    ),
    max_size=14,
)


@given(calls=calls)
def test_taking_the_way_back_to_its_end_leaves_nothing_in_effect_and_every_untouched_field_as_it_was(
    calls: list[tuple[str, str, int, str]],
) -> None:
    ledgers = {"mesh": Ledger(":memory:"), "platform": Ledger(":memory:")}
    made: list[tuple[str, str]] = []
    others: set[tuple[str, str]] = set()
    for number, (plane, field, value, what) in enumerate(calls):
        at = START + timedelta(seconds=number)
        if what == "change":
            ledgers[plane].change(str(key(f"s{number}")), "payments", {field: value}, None, at)
            made.append((plane, str(key(f"s{number}"))))
        elif what == "undo" and made:
            ledgers[made[-1][0]].undo(made[-1][1], "payments", at)
            made.pop()
        elif what == "somebody-else":
            ledgers[plane].change(f"they:{number}:do:1", "payments", {field: 9}, None, at)
            others.add((plane, field))

    while steps := way_back(found(ledgers)).steps:
        outcome = ledgers[steps[0].plane].undo(steps[0].change.key, "payments", START).outcome
        assert outcome in (Outcome.RESTORED, Outcome.SUPERSEDED)
        if steps[0].standing != "in-effect":  # undone already, and asked for again
            rest = [step for step in steps if step.standing == "in-effect"]
            ledgers[rest[0].plane].undo(rest[0].change.key, "payments", START)

    way = way_back(found(ledgers))
    assert way.steps == ()
    assert bool(way.left) == (way.blocked is not None)
    if not others:
        assert way.left == ()
        assert {plane: ledger.read("payments").state for plane, ledger in ledgers.items()} == {
            "mesh": {},
            "platform": {},
        }
    for ledger in ledgers.values():
        ledger.close()


def found(ledgers: dict[str, Ledger]) -> tuple[Effect, ...]:
    return effects({plane: ledger.receipts_of("I") for plane, ledger in ledgers.items()})
