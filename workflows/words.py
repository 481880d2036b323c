"""What people, and the lock, say to an incident or to its rollback, and how the work waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.rollback.contract import LockRequest, Outranked
    from models.rollback import Control

Result = TypeVar("Result")

PLAN = "the plan"
"""What an approval without a stage is of. No stage has this name."""


class Words:
    """The last word on whether to go on: one for an incident, and one for each rollback, which its incident tells."""

    def __init__(self) -> None:
        self.abort: Control | None = None
        self._outranking: dict[str, LockRequest] = {}
        """By service."""
        self.wave_stops = False
        """Whether a lane of the wave has met trouble: the others rest between two stages until it is decided upon."""
        self._pause: Control | None = None
        self._retry = False
        self.approved: frozenset[str] = frozenset()
        """Stages, and :data:`PLAN`. It holds for as long as the plan does, also where it is retried."""

    def hear(self, word: Control) -> None:
        match word.action:
            case "pause":
                self._pause = word
            case "resume":
                self._pause = None
            case "retry":
                self._retry = True
            case "approve":
                self.approved |= {word.stage}
            case "abort":
                self.abort = word

    def hear_lock(self, word: Outranked) -> None:
        if word.by:
            self._outranking[word.service] = word.by
        else:
            self._outranking.pop(word.service, None)

    @property
    def outranked(self) -> LockRequest | None:
        """Who of a higher priority waits for the lock of one of its services."""
        return next(iter(self._outranking.values()), None)

    @property
    def paused(self) -> bool:
        return self._pause is not None

    @property
    def for_who_begins(self) -> Control | None:
        """What was said before and holds for whatever is begun."""
        return self.abort or self._pause

    @property
    def called_off(self) -> bool:
        """Whether no further stage may begin, of any wave."""
        return self.abort is not None or self.outranked is not None

    async def between_steps(self) -> None:
        """Wait while it is paused; nothing is under way here either, so whoever goes first need not wait for that."""
        await workflow.wait_condition(lambda: not self.paused or self.called_off)

    @property
    def gives_way(self) -> bool:
        """Whether to stop between two steps for whoever goes first. One that is not paused makes its changes before."""
        return self.paused and self.outranked is not None

    async def between_stages(self) -> None:
        """Wait while it is paused; whoever goes first need not wait for the end of that."""
        await workflow.wait_condition(lambda: not self.paused or self.called_off or self.wave_stops)

    def forget_approvals(self) -> None:
        """Those of one plan are not about the next one."""
        self.approved = frozenset()

    async def approval(self, what: str, seconds: float) -> bool:
        """Whether a person approves it within so many seconds, or says something that makes it needless."""
        return await self._within(seconds, lambda: what in self.approved or self.wave_stops)

    def forget_retry(self) -> None:
        """What was said to one hold is not about the next one. To be called before anybody is told of that."""
        self._retry = False

    async def retry(self, seconds: float) -> bool:
        """Whether somebody says within so many seconds that the work is to be tried again, or to be stopped."""
        return await self._within(seconds, lambda: self._retry)

    async def unless_aborted(self, work: Coroutine[Any, Any, Result]) -> Result | None:
        """Its result; none once a person has aborted: it changes nothing, so it may be cut off."""
        return await self._unless(lambda: self.abort is not None, work)

    async def unless_called_off(self, work: Coroutine[Any, Any, Result]) -> Result | None:
        """The same; none also once somebody goes first, who need not wait for what is only watched."""
        return await self._unless(lambda: self.called_off, work)

    async def _unless(self, said: Callable[[], bool], work: Coroutine[Any, Any, Result]) -> Result | None:
        working = asyncio.create_task(work)
        saying = asyncio.create_task(workflow.wait_condition(said))
        await workflow.wait([working, saying], return_when=asyncio.FIRST_COMPLETED)
        saying.cancel()
        if working.done():
            return await working
        working.cancel()
        with suppress(asyncio.CancelledError, FailureError):
            await working
        return None

    async def _within(self, seconds: float, said: Callable[[], bool]) -> bool:
        try:
            await workflow.wait_condition(lambda: said() or self.called_off, timeout=seconds)
        except TimeoutError:
            return said() or self.called_off  # at the same moment
        return True
