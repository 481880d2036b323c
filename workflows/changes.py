"""One service's changes: each registered, made for the generation that the one before has left, checked, and undone."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

from workflows.journal import Journal
from workflows.operations import change_of, generations
from workflows.regions import Regions
from workflows.saga import Saga, SagaStep, describe, kind_of

with workflow.unsafe.imports_passed_through():
    from activities.mesh import contract as mesh
    from activities.platform import contract as platform
    from models.change import ChangeRequest, UndoRequest
    from models.identity import Key
    from models.receipt import Outcome
    from models.scope import Scope
    from models.service_state import ServiceState
    from models.stage import Check, Drained, Ready, Routed, Scale, StageStep
    from models.verdict import Verdict


class Changes:
    """Those of one attempt. Raises FailureError for a change that was refused or of which nobody knows the outcome."""

    def __init__(
        self, scope: Scope, attempt: int, state: ServiceState, regions: Regions, journal: Journal, saga: Saga
    ) -> None:
        """*state*: what the first change of each module expects."""
        self._incident, self._service = scope.incident, scope.service
        self._region = scope.region
        self._scope = scope.model_dump()
        self._attempt = attempt
        self._generation = generations(state)
        self._regions = regions
        self._journal = journal
        self._saga = saga

    async def make(self, step: StageStep) -> None:
        """A step that was refused because the world has moved has not happened, and is settled as that."""
        change = change_of(step.operation)
        key = self._key(step)

        async def do() -> None:
            request = ChangeRequest(
                **self._scope, key=key, fields=change.fields, expected=self._generation[change.module]
            )
            receipt = await self._regions.call(change.do, request, step.title)
            self._journal.record("receipt", {"step": key.step, "receipt": receipt})
            self._generation[change.module] = receipt.generation

        async def undo() -> Outcome:
            request = UndoRequest(**self._scope, key=key)
            receipt = await self._regions.call(change.undo, request, f"undo: {step.title}")
            self._journal.record("receipt", {"step": key.step, "receipt": receipt})
            if receipt.pending:
                raise ApplicationError(f"not acknowledged by {', '.join(receipt.pending)}", non_retryable=True)
            if isinstance(step.operation, Scale):
                for ready in platform.ready_again(receipt):
                    await self._must_pass(ready)
            return receipt.outcome

        resource = f"{change.module}/{self._region}/{self._service}"
        registered = SagaStep(id=key.step, title=step.title, module=change.module, resource=resource)
        try:
            await self._saga.run(registered, do, undo)
        except FailureError as failure:
            if kind_of(failure) == "Moved":
                self._saga.settle(key.step, "nothing-to-undo", describe(failure))
            raise

    async def check(self, asked: Check) -> Verdict:
        """Whether a change has taken hold."""
        match asked:
            case Ready():
                title = f"{asked.replicas} of {asked.release} ready?"
                return await self._regions.call(platform.READY, platform.ReadyRequest(**self._scope, gate=asked), title)
            case Routed():
                title = "does every proxy route as asked?"
                return await self._regions.call(mesh.ROUTED, mesh.RoutedRequest(**self._scope, gate=asked), title)
            case Drained():
                title = f"has {asked.release} no request in flight?"
                return await self._regions.call(mesh.DRAINED, mesh.DrainedRequest(**self._scope, gate=asked), title)

    async def _must_pass(self, check: Check) -> None:
        verdict = await self.check(check)
        if not verdict.passed:
            raise ApplicationError(verdict.sentence, non_retryable=True)

    def _key(self, step: StageStep) -> Key:
        return Key(incident=self._incident, step=f"{self._service}.{step.id}", attempt=self._attempt)
