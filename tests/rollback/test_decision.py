"""After a stage has failed, measured health decides, and nothing but measured health leads back to the bad release."""

from __future__ import annotations

import pytest

from activities.rollback.contract import Moved
from activities.rollback.decision import decide
from models.verdict import Finding, Verdict

PASS, FAIL, UNKNOWN = Finding.PASS, Finding.FAIL, Finding.INCONCLUSIVE


def moved(before: Finding, now: Finding, *, service: str = "payments", worse: bool = False) -> Moved:
    health = Verdict(finding=before, sentence="seen before")
    return Moved(service=service, bad="v2", target="v1", before=health, now=now, worse=worse)


@pytest.mark.parametrize(
    ("before", "target", "action", "why"),
    [
        (PASS, PASS, "hold", "v1 serves well"),
        (FAIL, PASS, "hold", "v1 serves well"),
        (UNKNOWN, PASS, "hold", "v1 serves well"),
        (PASS, FAIL, "compensate", "v2 was healthy before the change"),
        (PASS, UNKNOWN, "compensate", "v2 was healthy before the change"),
        (FAIL, FAIL, "hold", "going back to v2 is not safe (seen before)"),
        (FAIL, UNKNOWN, "hold", "going back to v2 is not safe (seen before)"),
        (UNKNOWN, FAIL, "hold", "going back to v2 is not safe (seen before)"),
        (UNKNOWN, UNKNOWN, "hold", "going back to v2 is not safe (seen before)"),
    ],
)
def test_the_decision(before: Finding, target: Finding, action: str, why: str) -> None:
    decision = decide([moved(before, target)])
    assert decision.action == action
    assert why in decision.sentence


@pytest.mark.parametrize("before", [FAIL, UNKNOWN])
def test_a_target_that_was_shown_to_do_more_harm_beside_the_bad_release_is_left_again(before: Finding) -> None:
    decision = decide([moved(before, FAIL, worse=True)])
    assert decision.action == "compensate"
    assert "v1 does more harm than v2, measured side by side" in decision.sentence


@pytest.mark.parametrize("order", [1, -1])
def test_of_several_services_none_is_taken_back_where_one_may_not_be(order: int) -> None:
    both = [moved(PASS, FAIL), moved(FAIL, FAIL, service="ledger")]
    assert decide(both[::order]).action == "hold"
    assert decide([both[0], moved(PASS, UNKNOWN, service="ledger")]).action == "compensate"
