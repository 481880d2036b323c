"""Calling activities where they belong, and the declared answer to a region whose pool does not poll."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError, TimeoutType

with workflow.unsafe.imports_passed_through():
    from activities.contract import Contract, WhenRegionIsSilent
    from models.base import Frozen
    from models.queues import regional

Argument = TypeVar("Argument", bound=Frozen)
Result = TypeVar("Result")

SCHEDULE_TO_START = timedelta(seconds=5)
"""A pool that has not taken an activity after this is taken for dead. It cannot have begun, so a peer may do it."""


class Regions:
    """The incident's region, and the peers that may act in its place. Remembers which of them were silent."""

    def __init__(self, region: str, peers: tuple[str, ...]) -> None:
        self.region = region
        self.silent: list[str] = []
        self._peers = peers

    async def call(self, contract: Contract[Argument, Result], argument: Argument, summary: str = "") -> Result:
        """Run one activity. Raises ActivityError when it failed, ApplicationError ``RegionSilent`` or ``Skipped``."""
        for region in self._order(contract):
            try:
                return await workflow.execute_activity(
                    contract.name,
                    argument,
                    task_queue=regional(region),
                    result_type=contract.result,
                    schedule_to_start_timeout=SCHEDULE_TO_START,
                    start_to_close_timeout=contract.timeout,
                    heartbeat_timeout=contract.heartbeat,
                    retry_policy=retry_policy(contract.attempts),
                    summary=summary or None,
                )
            except ActivityError as error:
                if not _never_started(error):
                    raise
                if region not in self.silent:
                    self.silent.append(region)
        kind = "Skipped" if contract.when_silent is WhenRegionIsSilent.SKIP else "RegionSilent"
        raise ApplicationError(
            f"no worker pool took {contract.name} for region {self.region} within {SCHEDULE_TO_START.seconds} s: "
            f"start a pool with `sternway pool --region {self.region}`, or name peers in the catalog",
            type=kind,
            non_retryable=True,
        )

    def _order(self, contract: Contract[Argument, Result]) -> list[str]:
        candidates = [self.region]
        if contract.when_silent is WhenRegionIsSilent.PEER:
            candidates += self._peers
        return sorted(candidates, key=self._was_silent)

    def _was_silent(self, region: str) -> bool:
        return region in self.silent


def retry_policy(attempts: int) -> RetryPolicy:
    """Quick first retries, because most failures of a driver call are a connection that was just replaced."""
    return RetryPolicy(
        initial_interval=timedelta(milliseconds=50),
        backoff_coefficient=2,
        maximum_interval=timedelta(seconds=2),
        maximum_attempts=attempts,
        non_retryable_error_types=["Refused", "Moved"],
    )


def _never_started(error: ActivityError) -> bool:
    cause = error.cause
    return isinstance(cause, TimeoutError) and cause.type == TimeoutType.SCHEDULE_TO_START
