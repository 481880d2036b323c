"""Why an incident refuses what a person says to it at this moment; none where it may be said. Pure.

A sentence says what stands against it, and what may be said instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from temporalio import workflow

from workflows.words import PLAN

with workflow.unsafe.imports_passed_through():
    from models.incident import Approval, Phase, StageApproval
    from models.plan import Plan
    from models.rollback import stage_name


@dataclass(frozen=True)
class Moment:
    """How an incident stands, as far as it matters for what may be said to it."""

    region: str
    phase: Phase
    over: bool
    hold: str | None
    """Why it is held, for a person or for its region."""
    held_for_person: bool
    paused: bool
    aborting: bool
    plan: Plan | None
    plan_waits: bool
    """For an approval, as a whole."""
    awaited: tuple[str, ...]
    """Stages that wait for an approval."""
    approved: frozenset[str]
    """Stages, and the plan as a whole."""

    @property
    def stages(self) -> str:
        return ", ".join(self.awaited)


def of_approve(now: Moment, word: Approval) -> str | None:
    if another := _of_another_plan(now, word):
        return another
    if PLAN in now.approved:
        return None
    if now.awaited and now.plan:
        return f"the plan {now.plan.hash} runs; what waits is {now.stages}: approve it with --stage"
    return None if now.plan_waits else f"nothing waits for an approval: the incident is {now.phase}"


def of_approve_stage(now: Moment, word: StageApproval) -> str | None:
    if another := _of_another_plan(now, word):
        return another
    stage = stage_name(word.service, word.stage)
    if stage in now.awaited or stage in now.approved:
        return None
    waits = f"what waits is {now.stages}" if now.awaited else "no stage waits for an approval"
    return f"{stage} does not wait for an approval: {waits}, and the incident is {now.phase}"


def of_pause(now: Moment) -> str | None:
    if now.over:
        return _ended(now)
    return "it is paused already" if now.paused else None


def of_resume(now: Moment) -> str | None:
    if now.over:
        return _ended(now)
    if now.paused:
        return None
    held = "; a hold ends with retry or abort" if now.held_for_person else ""
    return f"it is not paused, so there is nothing to resume: the incident is {now.phase}{held}"


def of_retry(now: Moment) -> str | None:
    if now.over:
        return _ended(now)
    if now.paused:
        return "it is paused, so nothing would be tried again: resume it first"
    if now.held_for_person:
        return None
    region = f"held until somebody acts for {now.region} again, and then goes on by itself"
    why = region if now.hold else f"{now.phase}, and not held"
    return f"there is nothing to try again: the incident is {why}"


def of_emergency(now: Moment, word: Approval) -> str | None:
    if refused := of_retry(now):
        return refused
    if now.plan is None or now.plan.hold is None:
        return "an emergency is allowed where the plan is held: this one is under way; retry it, or abort it"
    return None if word.reason else "an emergency rollback needs a reason"


def of_abort(now: Moment) -> str | None:
    if now.over:
        return _ended(now)
    return "it is being aborted already" if now.aborting else None


def _of_another_plan(now: Moment, word: Approval) -> str | None:
    if now.plan is None:
        return f"there is no plan to approve: the incident is {now.phase}"
    if word.plan not in (None, now.plan.hash):
        return f"the plan is {now.plan.hash} by now, not {word.plan}: look at it again"
    return None


def _ended(now: Moment) -> str:
    return f"it has ended: {now.phase}"
