"""The lock of one service in one region: one rollback at a time, by priority, then in the order in which they asked.

A resource workflow and not a row with a timeout: nobody has to guess how long a rollback may take. Whoever holds it
signals ``release``; a holder that was terminated is found by asking whether it still runs. It is never taken from one
that runs: a holder is told who of a higher priority waits, and gives way where that is safe.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import VersioningBehavior
from temporalio.exceptions import FailureError

from workflows.regions import retry_policy

with workflow.unsafe.imports_passed_through():
    from activities.rollback import contract as rollback

LOOK_AFTER_HOLDER = timedelta(seconds=5)


@workflow.defn(name="ServiceLock", versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class ServiceLockWorkflow:
    """Ends when nobody holds it and nobody waits; the next request starts it again.

    Incidents of several builds ask for the same lock, so it follows the current build: an edit must replay what earlier
    builds recorded (``tests/determinism``).
    """

    def __init__(self) -> None:
        self._waiting: list[rollback.LockRequest] = []
        self._holder: rollback.LockRequest | None = None
        self._told: rollback.LockRequest | None = None
        """By whom the holder knows that it is outranked."""

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: bool(self._waiting))
        while self._waiting:
            self._holder, self._told = self._waiting.pop(0), None
            if await self._grant(self._holder):
                await self._wait_for_release()
            self._holder = None

    @workflow.signal
    def acquire(self, request: rollback.LockRequest) -> None:
        """Queue up behind everybody of the same priority. Asking again, as a retried activity does, changes nothing."""
        if request != self._holder and request not in self._waiting:
            self._waiting = sorted((*self._waiting, request), key=lambda one: -one.priority)

    @workflow.signal
    def release(self, request: rollback.LockRequest) -> None:
        self._waiting = [waiting for waiting in self._waiting if waiting != request]
        if request == self._holder:
            self._holder = None

    @workflow.query
    def holder(self) -> str | None:
        """Workflow id of the rollback that holds the lock."""
        return self._holder.holder if self._holder else None

    async def _grant(self, request: rollback.LockRequest) -> bool:
        try:
            await workflow.get_external_workflow_handle(request.holder, run_id=request.run).signal("lock_granted")
        except FailureError:
            return False
        return True

    async def _wait_for_release(self) -> None:
        while (holder := self._holder) is not None:
            await workflow.wait_condition(lambda: self._holder is not holder or bool(self._waiting) or self._to_tell())
            if self._holder is holder and self._to_tell():
                await self._tell(holder)
                continue
            try:
                await workflow.wait_condition(
                    lambda: self._holder is not holder or self._to_tell(), timeout=LOOK_AFTER_HOLDER
                )
            except TimeoutError:
                if not await self._holder_runs(holder):
                    return

    def _to_tell(self) -> bool:
        return self._outranking() != self._told

    def _outranking(self) -> rollback.LockRequest | None:
        """Who of a higher priority than the holder waits."""
        first = self._waiting[0] if self._waiting else None
        return first if first and self._holder and first.priority > self._holder.priority else None

    async def _tell(self, holder: rollback.LockRequest) -> None:
        self._told = self._outranking()
        try:
            await workflow.get_external_workflow_handle(holder.holder, run_id=holder.run).signal(
                "outranked", rollback.Outranked(service=holder.service, by=self._told)
            )
        except FailureError:
            workflow.logger.info("the holder had ended before it could be told who waits")

    async def _holder_runs(self, holder: rollback.LockRequest) -> bool:
        contract = rollback.HOLDER_RUNS
        try:
            return await workflow.execute_local_activity(
                contract.name,
                holder,
                result_type=contract.result,
                start_to_close_timeout=contract.timeout,
                retry_policy=retry_policy(contract.attempts),
            )
        except FailureError:
            return True  # nobody knows, so the lock is not taken from it
