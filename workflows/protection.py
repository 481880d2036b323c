"""The protective lease of an incident: taken first, renewed while the incident lives, released at its end (law 11)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

from workflows.regions import Regions, retry_policy
from workflows.saga import Saga, SagaStep, describe, kind_of

with workflow.unsafe.imports_passed_through():
    from activities.breaker import contract as breaker
    from models.receipt import Outcome
    from models.scope import Scope


class Protection:
    """At most one lease. Nothing here raises for protection that could not be had: recovery goes on without it."""

    def __init__(self, scope: Scope, lease_seconds: float, regions: Regions, saga: Saga) -> None:
        self._scope = scope
        self._lease_seconds = lease_seconds
        self._regions = regions
        self._saga = saga
        self._step = SagaStep(
            id="protect",
            title=f"protect the callers of {scope.service}",
            module="breaker",
            resource=f"mesh/{scope.region}/{scope.service}",
        )
        self._call = breaker.LeaseCall(**scope.model_dump(), lease=breaker.lease_id(scope.incident))
        self._renewal: asyncio.Task[None] | None = None
        self.sentence = "no protection was taken"
        self.active = False

    async def take(self) -> bool:
        """One local activity where the incident started. True once every expected proxy enforces the protection."""
        try:
            protected = await self._saga.run(self._step, self._take, self._release)
        except FailureError as failure:
            self.sentence = f"whether the protection was taken is not known: {describe(failure)}"
            if kind_of(failure) == "Refused":
                self.sentence = f"the protection was refused; going on without it: {describe(failure)}"
            else:
                self._hold_on(self._lease_seconds)
            return False
        self.sentence = protected.sentence
        if protected.lease is None:
            self._saga.settle(self._step.id, "nothing-to-undo", protected.sentence)
            return False
        self._hold_on(protected.seconds)
        return not protected.lease.pending

    def _hold_on(self, seconds: float) -> None:
        """Renew it from now on, and lift it at the end: it is in force, or may be."""
        self.active = True
        self._renewal = asyncio.create_task(self._keep(seconds))

    async def lift(self) -> None:
        """Release the lease as a part of the plan. Raises FailureError when the mesh refuses that."""
        if not self.active:
            return
        await self._release()
        self._saga.settle(self._step.id, "undone", "lifted: the service is verified")

    def stop_renewing(self) -> None:
        """Let the lease lapse by itself, where releasing it is not for us to do."""
        self.active = False

    async def _take(self) -> breaker.Protected:
        contract = breaker.PROTECT
        return await workflow.execute_local_activity(
            contract.name,
            self._scope,
            result_type=contract.result,
            start_to_close_timeout=contract.timeout,
            retry_policy=retry_policy(contract.attempts),
            # No summary: on the way to the first action each further payload costs a millisecond.
        )

    async def _release(self) -> Outcome:
        self.active = False
        try:
            await self._regions.call(breaker.RELEASE, self._call, f"lift the protection of {self._scope.service}")
        except ApplicationError as silent:
            workflow.logger.warning("nobody can release the protective lease; it lapses by itself: %s", silent.message)
        return Outcome.RESTORED

    async def _keep(self, seconds: float) -> None:
        while self.active:
            try:
                await workflow.wait_condition(lambda: not self.active, timeout=timedelta(seconds=seconds / 2))
            except TimeoutError:
                await self._renew()

    async def _renew(self) -> None:
        try:
            lease = await self._regions.call(breaker.RENEW, self._call, "renew the protection")
        except FailureError:
            workflow.logger.warning("the protective lease could not be renewed; it lapses by itself")
            return
        if not lease.active:
            self.active = False
