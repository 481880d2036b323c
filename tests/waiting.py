"""Waiting for a condition with a deadline, in place of sleeping and hoping."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

Answer = TypeVar("Answer")


@overload
async def until(condition: Callable[[], Awaitable[Answer | None]], seconds: float, what: str) -> Answer: ...


@overload
async def until(condition: Callable[[], Answer | None], seconds: float, what: str) -> Answer: ...


async def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first truthy answer of *condition*; fails with *what* was waited for after *seconds*."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.02)
