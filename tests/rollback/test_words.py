"""What is said to an incident or a rollback is kept for as long as it is meant, and no longer."""

from __future__ import annotations

import pytest

from activities.rollback.contract import LockRequest, Outranked
from models.rollback import Action, Control
from workflows.words import PLAN, Words


def word(action: Action, stage: str = "") -> Control:
    return Control(action=action, by="ada", reason="", stage=stage)


def asks(service: str, priority: int = 10) -> LockRequest:
    return LockRequest(region="eu", service=service, holder=f"rollback:{service}", run="1", priority=priority)


@pytest.mark.parametrize("action", ["pause", "resume", "retry", "approve"])
def test_only_an_abort_calls_a_rollback_off(action: Action) -> None:
    words = Words()
    words.hear(word(action))
    assert not words.called_off
    words.hear(word("abort"))
    assert words.called_off


def test_an_approval_is_of_one_stage_of_one_service() -> None:
    words = Words()
    words.hear(word("approve", "payments/retire"))
    assert words.approved == {"payments/retire"}


def test_approvals_of_one_plan_are_not_about_the_next_one() -> None:
    words = Words()
    words.hear(word("approve", PLAN))
    words.hear(word("approve", "payments/retire"))
    words.forget_approvals()
    assert words.approved == set()


def test_a_rollback_that_begins_hears_of_an_abort_before_a_pause_and_of_a_pause_until_it_is_over() -> None:
    words = Words()
    assert words.for_who_begins is None
    words.hear(word("pause"))
    assert words.for_who_begins == word("pause")
    words.hear(word("abort"))
    assert words.for_who_begins == word("abort")
    over = Words()
    for action in ("pause", "resume", "retry"):
        over.hear(word(action))
    assert over.for_who_begins is None


def test_whoever_goes_first_calls_it_off_until_nobody_does_any_more() -> None:
    words = Words()
    words.hear_lock(Outranked(service="payments", by=asks("payments")))
    words.hear_lock(Outranked(service="ledger", by=asks("ledger")))
    words.hear_lock(Outranked(service="payments", by=None))
    assert words.outranked == asks("ledger")
    assert words.called_off
    words.hear_lock(Outranked(service="ledger", by=None))
    assert not words.called_off
