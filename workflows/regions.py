"""Calling activities where they belong, and the declared answer to a region whose pool does not poll."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
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
"""A pool that has not taken an activity after this is taken for dead. Should an earlier attempt of it have acted, its
key makes a peer's call the same one."""

WHILE_HELD = timedelta(minutes=1)
"""How long an activity is offered at a time while nobody acts: whoever comes back takes it at once all the same."""


Silence = Callable[[str | None], Awaitable[None]]
"""Told why nobody acts for the region, and none when somebody does again."""


class Regions:
    """The incident's region, and the peers that may act in its place. Remembers which of them were silent."""

    def __init__(self, region: str, peers: tuple[str, ...], on_silence: Silence) -> None:
        self.region = region
        self._candidates = (region, *peers)
        self._silent: set[str] = set()
        self._on_silence = on_silence

    async def call(self, contract: Contract[Argument, Result], argument: Argument, summary: str = "") -> Result:
        """Run one activity. Raises ActivityError when it failed, ApplicationError ``Skipped`` when nobody took it.

        An activity that may not be skipped is offered again until a pool is back; until then the incident is held.
        """
        taken = await self._offer_all(contract, argument, summary, SCHEDULE_TO_START)
        if taken is not None:
            return taken
        sentence = self._sentence(contract.name)
        if contract.when_silent is WhenRegionIsSilent.SKIP:
            raise ApplicationError(sentence, type="Skipped", non_retryable=True)
        try:
            await self._on_silence(sentence)
            while taken is None:
                taken = await self._offer_all(contract, argument, summary, WHILE_HELD)
            return taken
        finally:  # it has an answer, or nobody wants one any more
            await self._on_silence(None)

    async def _offer_all(
        self, contract: Contract[Argument, Result], argument: Argument, summary: str, patience: timedelta
    ) -> Result | None:
        """Ask one region after the other, the incident's own with *patience*. None: no pool took it."""
        for region in sorted(self._candidates, key=self._was_silent):
            try:
                within = patience if region == self.region else SCHEDULE_TO_START
                result = await self._offer(region, contract, argument, summary, within)
            except ActivityError as error:
                if not _never_started(error):
                    raise
                self._silent.add(region)
            else:
                self._silent.discard(region)
                return result
        return None

    async def _offer(
        self, region: str, contract: Contract[Argument, Result], argument: Argument, summary: str, patience: timedelta
    ) -> Result:
        return await workflow.execute_activity(
            contract.name,
            argument,
            task_queue=regional(region),
            result_type=contract.result,
            schedule_to_start_timeout=patience,
            start_to_close_timeout=contract.timeout,
            heartbeat_timeout=contract.heartbeat,
            retry_policy=retry_policy(contract.attempts),
            summary=summary or None,
        )

    def _sentence(self, activity: str) -> str:
        asked = " and ".join(self._candidates)
        own = workflow.info().get_current_deployment_version()
        build = f" of build {own.build_id}" if own else ""
        return (
            f"no worker pool of {asked}{build} took {activity} within {SCHEDULE_TO_START.seconds} s each: "
            f"start one with `sternway pool --region {self.region}`; the incident then goes on by itself"
        )

    def _was_silent(self, region: str) -> bool:
        return region in self._silent


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
