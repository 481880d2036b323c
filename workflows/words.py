"""What people say to a running rollback, and how its work waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from models.rollback import Control

Result = TypeVar("Result")


class Words:
    """The last word on whether to go on."""

    def __init__(self) -> None:
        self.abort: Control | None = None
        self._paused = False
        self._resumed = False

    def hear(self, word: Control) -> None:
        match word.action:
            case "pause":
                self._paused = True
            case "resume":
                self._paused = False
                self._resumed = True
            case "abort":
                self.abort = word

    async def stop(self) -> bool:
        """To ask before every step: waits while it is paused. True once a person has aborted."""
        await workflow.wait_condition(lambda: not self._paused or self.abort is not None)
        return self.abort is not None

    async def resumed(self, seconds: float) -> bool:
        """Whether somebody says within so many seconds that work is to go on, or to be stopped."""
        self._resumed = False
        try:
            await workflow.wait_condition(lambda: self._resumed or self.abort is not None, timeout=seconds)
        except TimeoutError:
            return False
        return True

    async def unless_aborted(self, work: Coroutine[Any, Any, Result]) -> Result | None:
        """Its result; none once a person has aborted: it changes nothing, so it may be cut off."""
        working = asyncio.create_task(work)
        aborted = asyncio.create_task(workflow.wait_condition(lambda: self.abort is not None))
        await workflow.wait([working, aborted], return_when=asyncio.FIRST_COMPLETED)
        aborted.cancel()
        if working.done():
            return await working
        working.cancel()
        with suppress(asyncio.CancelledError, FailureError):
            await working
        return None
