"""The protective lease of an incident: taken first, renewed while the incident lives, released at its end (law 11)."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

from workflows.leases import Renewal
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
        self._lease = Renewal("the protective lease", self._renew)
        self.sentence = "no protection was taken"

    @property
    def active(self) -> bool:
        """It is in force, or may be, and is renewed."""
        return self._lease.active

    async def take(self) -> bool:
        """One local activity where the incident started. True once every expected proxy enforces the protection."""
        try:
            protected = await self._saga.run(self._step, self._take, self._release)
        except FailureError as failure:
            self.sentence = f"whether the protection was taken is not known: {describe(failure)}"
            if kind_of(failure) == "Refused":
                self.sentence = f"the protection was refused; going on without it: {describe(failure)}"
            else:
                self._lease.start(self._lease_seconds)
            return False
        self.sentence = protected.sentence
        if protected.lease is None:
            self._saga.settle(self._step.id, "nothing-to-undo", protected.sentence)
            return False
        self._lease.start(protected.seconds)
        return not protected.lease.pending

    async def lift(self) -> None:
        """Release the lease as a part of the plan. Raises FailureError when the mesh refuses that."""
        if not self.active:
            return
        await self._release()
        self._saga.settle(self._step.id, "undone", "lifted: the service is verified")

    def stop_renewing(self) -> None:
        """Let the lease lapse by itself, where releasing it is not for us to do."""
        self._lease.stop()

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
        self._lease.stop()
        try:
            await self._regions.call(breaker.RELEASE, self._call, f"lift the protection of {self._scope.service}")
        except ApplicationError as silent:
            workflow.logger.warning("nobody can release the protective lease; it lapses by itself: %s", silent.message)
        return Outcome.RESTORED

    async def _renew(self) -> bool:
        return (await self._regions.call(breaker.RENEW, self._call, "renew the protection")).active
