"""The saga: every step's compensation is registered before the step is called, and they run last-in first-out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from workflows.journal import Journal

with workflow.unsafe.imports_passed_through():
    from models.incident import StepRecord
    from models.receipt import Outcome

Result = TypeVar("Result")
Undo = Callable[[], Awaitable[Outcome]]
Status = Literal["registered", "done", "failed", "undone", "superseded", "nothing-to-undo"]

UNDONE: dict[Outcome, Status] = {
    Outcome.RESTORED: "undone",
    Outcome.SUPERSEDED: "superseded",
    Outcome.NEVER_HAPPENED: "nothing-to-undo",
}


@dataclass(frozen=True)
class SagaStep:
    """What a step is called. The id is stable across replays; the title is for people."""

    id: str
    title: str
    module: str
    resource: str = ""


class Saga:
    """Steps done so far, and how to take them back."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._compensations: dict[str, tuple[SagaStep, Undo]] = {}
        self._records: dict[str, StepRecord] = {}

    @property
    def records(self) -> tuple[StepRecord, ...]:
        """Every step as it stands, in the order in which they were registered."""
        return tuple(self._records.values())

    @property
    def unsettled(self) -> tuple[str, ...]:
        """Titles of the steps that have changed something, or may have, in the order in which they were registered."""
        return tuple(step.title for step, _ in self._compensations.values())

    async def run(self, step: SagaStep, do: Callable[[], Awaitable[Result]], undo: Undo, why: str = "") -> Result:
        """Register *undo*, then *do*; *why* is recorded with it. A failure, a time-out and a cancellation leave it
        registered: they are ambiguous.

        Running a step of the same id again keeps the first registration: its key, and so its receipt, is the same.
        """
        self._compensations.setdefault(step.id, (step, undo))
        self._note(step, "registered", why)
        try:
            result = await do()
        except BaseException as error:
            if is_cancelled_exception(error) or isinstance(error, FailureError):
                self._note(step, "failed", describe(error))
            raise
        self._note(step, "done", why)
        return result

    def settle(self, step_id: str, status: Literal["undone", "nothing-to-undo"], detail: str) -> None:
        """Nothing is left to undo: it was taken back as a part of the plan, or it had no effect in the first place."""
        step, _ = self._compensations.pop(step_id)
        self._note(step, status, detail)

    async def compensate(self) -> tuple[str, ...]:
        """Take every step back, the last first. Returns what stood in the way; nothing if everything is undone.

        It stops at the first step that cannot be undone: those before it may carry what is still in place, such as the
        capacity of a release that still gets the traffic. They stay registered.
        """
        while self._compensations:
            step_id = next(reversed(self._compensations))
            step, undo = self._compensations[step_id]
            try:
                outcome = await undo()
            except FailureError as error:
                self._note(step, "failed", f"could not be undone: {describe(error)}")
                return (f"{step.title}: could not be undone: {describe(error)}", *self._left())
            self._note(step, UNDONE[outcome])
            del self._compensations[step_id]
            if outcome is Outcome.SUPERSEDED:
                return (f"{step.title}: somebody else changed it in the meantime; left as it is", *self._left())
        return ()

    def _left(self) -> tuple[str, ...]:
        return (f"not undone because of that: {', '.join(self.unsettled)}",) if self._compensations else ()

    def _note(self, step: SagaStep, status: Status, detail: str = "") -> None:
        record = StepRecord(
            step=step.id,
            title=step.title,
            module=step.module,
            status=status,
            at=workflow.now(),
            detail=detail,
            resource=step.resource,
        )
        self._records[step.id] = record
        self._journal.record(
            "step",
            {**record.model_dump(exclude={"at"}), "workflow": workflow.info().workflow_id},
        )


def describe(error: BaseException) -> str:
    """The innermost message of a failure: Temporal wraps it in up to three others."""
    root = _root(error)
    return getattr(root, "message", None) or str(root) or type(root).__name__


def kind_of(error: BaseException) -> str | None:
    """The type of the innermost failure: a driver's ``Moved`` or ``Refused``, our own ``Skipped``."""
    return getattr(_root(error), "type", None)


def _root(error: BaseException) -> BaseException:
    while (cause := getattr(error, "cause", None)) is not None:
        error = cause
    return error
