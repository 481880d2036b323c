"""How long a rollback takes is known from earlier ones, or bounded by its own limits; what it costs follows."""

from __future__ import annotations

import pytest
from service_states import state
from test_selection_rules import CALM

from activities.rollback.expectation import expect
from activities.rollback.strategies import canary_reverse, immediate, staged
from models.catalog import RollbackPolicy
from models.circumstances import Loss
from models.plan import Lane, Wave

POLICY = RollbackPolicy(ready_timeout=20, drain_timeout=10, soak=5, soak_extension=7)
BAD = state({"v1": 0, "v2": 100}, {"v1": 1, "v2": 3})


def lane(service: str, strategy: str = "immediate") -> Lane:
    stages = {"immediate": immediate.stages, "canary-reverse": canary_reverse.stages}[strategy]
    return Lane(service=service, stages=stages(BAD, "v1", "v2", POLICY))


def test_without_a_history_it_is_what_checks_and_gates_allow_until_traffic_is_away() -> None:
    found = expect(CALM, "immediate", (Wave(lanes=(lane("payments"),)),))
    assert (found.seconds, found.from_history) == (20 + 20, False)  # ready, then routed; drain and soak come after


def test_gates_before_the_last_switch_count_with_their_extension() -> None:
    found = expect(CALM, "canary-reverse", (Wave(lanes=(lane("payments", "canary-reverse"),)),))
    assert found.seconds == 3 * (20 + 20) + 2 * (5 + 7)  # three times ready and routed, and two comparisons between


def staged_for(*levels: tuple[str, ...]) -> float:
    """Seconds, where each service of *levels* goes back by *immediate*."""
    names = [name for level in levels for name in level]
    stages = dict.fromkeys(names, immediate.stages(BAD, "v1", "v2", POLICY))
    return expect(CALM, "staged", staged.in_waves(stages, levels)).seconds


def test_a_wave_waits_for_all_of_the_one_before_and_its_lanes_run_side_by_side() -> None:
    until_away = 20 + 20  # ready, then routed
    whole = until_away + 10 + (5 + 7)  # then drained, and the soak with its extension; to retire comes last of all
    assert staged_for(("payments", "ledger")) == until_away
    assert staged_for(("ledger",), ("payments",)) == whole + until_away
    assert staged_for(("ledger", "rates"), ("payments",), ("web",)) == whole + whole + until_away


def test_earlier_ones_of_the_strategy_say_better_how_long_it_takes() -> None:
    now = CALM.model_copy(update={"durations": {"immediate": 9.0, "gradual": 300.0}})
    found = expect(now, "immediate", (Wave(lanes=(lane("payments"),)),))
    assert (found.seconds, found.from_history) == (9.0, True)


@pytest.mark.parametrize(
    ("changed", "requests", "loss", "known"),
    [
        ({"rate": 10.0, "failing": 0.5}, 200.0, 40 / 60, True),
        ({"failing": None}, None, 40 / 60, True),
        ({"loss": Loss(minutes=1, per_minute=None, most=1000, source="catalog")}, 4.0, 1000 * 40 / 60, False),
    ],
    ids=["measured", "failures unknown", "loss unknown: all of the revenue"],
)
def test_requests_and_loss_follow(changed: dict[str, object], requests: float | None, loss: float, known: bool) -> None:
    found = expect(CALM.model_copy(update=changed), "immediate", (Wave(lanes=(lane("payments"),)),))
    assert (found.failed_requests, found.loss, found.loss_known) == (
        pytest.approx(requests),
        pytest.approx(loss),
        known,
    )
