"""What may be said to an incident at which moment, and why not where it may not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from models.incident import Approval, Phase, StageApproval
from models.plan import Plan
from workflows import refusals
from workflows.refusals import Moment
from workflows.words import PLAN

RUNS = Plan(incident="one", steps=())
HELD_PLAN = RUNS.model_copy(update={"hold": "no release to go back to"})

ASSESSING = Moment(
    region="eu",
    phase=Phase.ASSESSING,
    over=False,
    hold=None,
    held_for_person=False,
    paused=False,
    aborting=False,
    plan=None,
    plan_waits=False,
    awaited=(),
    approved=frozenset(),
)
EXECUTING = replace(ASSESSING, phase=Phase.EXECUTING, plan=RUNS)
PLAN_WAITS = replace(EXECUTING, phase=Phase.AWAITING_APPROVAL, plan_waits=True)
PLAN_APPROVED = replace(EXECUTING, approved=frozenset({PLAN}))
STAGE_WAITS = replace(EXECUTING, phase=Phase.AWAITING_APPROVAL, awaited=("payments/retire", "ledger/switch"))
STAGE_APPROVED = replace(EXECUTING, approved=frozenset({"payments/retire"}))
HELD = replace(EXECUTING, phase=Phase.HELD, hold="the drain failed", held_for_person=True)
HELD_WITHOUT_A_WAY = replace(HELD, plan=HELD_PLAN)
SILENT = replace(EXECUTING, phase=Phase.HELD, hold="no worker pool of eu")
PAUSED = replace(EXECUTING, paused=True)
ABORTING = replace(EXECUTING, aborting=True)
ENDED = replace(EXECUTING, phase=Phase.RESOLVED, over=True)

WORD = Approval(by="ada", reason="looked at it")
OF_ANOTHER = WORD.model_copy(update={"plan": "another"})
OF_THIS = WORD.model_copy(update={"plan": RUNS.hash})
WITHOUT_REASON = Approval(by="ada")


def of(stage: str, plan: str | None = None) -> StageApproval:
    return StageApproval(by="ada", service="payments", stage=stage, plan=plan)


@pytest.mark.parametrize(
    ("now", "word", "refused"),
    [
        (ASSESSING, WORD, "there is no plan to approve: the incident is assessing"),
        (PLAN_WAITS, WORD, None),
        (PLAN_WAITS, OF_THIS, None),
        (PLAN_WAITS, OF_ANOTHER, "not another: look at it again"),
        (PLAN_APPROVED, WORD, None),
        (PLAN_APPROVED, OF_ANOTHER, "look at it again"),
        (EXECUTING, WORD, "nothing waits for an approval: the incident is executing"),
        (STAGE_WAITS, WORD, "what waits is payments/retire, ledger/switch: approve it with --stage"),
        (ENDED, WORD, "nothing waits for an approval: the incident is resolved"),
    ],
)
def test_the_plan_is_approved_while_it_waits_and_again_afterwards(
    now: Moment, word: Approval, refused: str | None
) -> None:
    assert_refused(refusals.of_approve(now, word), refused)


@pytest.mark.parametrize(
    ("now", "word", "refused"),
    [
        (ASSESSING, of("retire"), "there is no plan to approve"),
        (STAGE_WAITS, of("retire"), None),
        (STAGE_WAITS, of("retire", plan=RUNS.hash), None),
        (STAGE_WAITS, of("retire", plan="another"), "look at it again"),
        (STAGE_WAITS, of("switch"), "payments/switch does not wait for an approval: what waits is payments/retire"),
        (STAGE_APPROVED, of("retire"), None),
        (EXECUTING, of("retire"), "no stage waits for an approval, and the incident is executing"),
    ],
)
def test_exactly_the_stage_that_waits_is_approved(now: Moment, word: StageApproval, refused: str | None) -> None:
    assert_refused(refusals.of_approve_stage(now, word), refused)


Asked = Callable[[Moment], str | None]


@pytest.mark.parametrize(
    ("asked", "now", "refused"),
    [
        (refusals.of_pause, ASSESSING, None),
        (refusals.of_pause, HELD, None),
        (refusals.of_pause, PAUSED, "it is paused already"),
        (refusals.of_pause, ENDED, "it has ended: resolved"),
        (refusals.of_resume, PAUSED, None),
        (refusals.of_resume, EXECUTING, "it is not paused, so there is nothing to resume: the incident is executing"),
        (refusals.of_resume, HELD, "a hold ends with retry or abort"),
        (refusals.of_resume, ENDED, "it has ended: resolved"),
        (refusals.of_retry, HELD, None),
        (refusals.of_retry, replace(HELD, paused=True), "resume it first"),
        (refusals.of_retry, EXECUTING, "there is nothing to try again: the incident is executing, and not held"),
        (refusals.of_retry, SILENT, "held until somebody acts for eu again, and then goes on by itself"),
        (refusals.of_retry, ENDED, "it has ended: resolved"),
        (refusals.of_abort, ASSESSING, None),
        (refusals.of_abort, PAUSED, None),
        (refusals.of_abort, SILENT, None),
        (refusals.of_abort, HELD, None),
        (refusals.of_abort, ABORTING, "it is being aborted already"),
        (refusals.of_abort, ENDED, "it has ended: resolved"),
    ],
)
def test_each_word_is_heard_where_it_means_something(asked: Asked, now: Moment, refused: str | None) -> None:
    assert_refused(asked(now), refused)


@pytest.mark.parametrize(
    ("now", "word", "refused"),
    [
        (HELD_WITHOUT_A_WAY, WORD, None),
        (HELD_WITHOUT_A_WAY, WITHOUT_REASON, "an emergency rollback needs a reason"),
        (HELD, WORD, "this one is under way; retry it, or abort it"),
        (replace(HELD, plan=None), WORD, "an emergency is allowed where the plan is held"),
        (EXECUTING, WORD, "there is nothing to try again"),
        (ENDED, WORD, "it has ended: resolved"),
    ],
)
def test_an_emergency_is_allowed_where_the_plan_is_held_and_with_a_reason(
    now: Moment, word: Approval, refused: str | None
) -> None:
    assert_refused(refusals.of_emergency(now, word), refused)


def assert_refused(found: str | None, expected: str | None) -> None:
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert expected in found
