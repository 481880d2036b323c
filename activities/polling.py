"""Watching the world from an activity: look, and look again until the time is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from activities.driver import Unavailable
from models.verdict import Finding, Verdict

LOOK_SECONDS = 1.5
"""That one look may take: a system that is slow now may be fast at the next look."""

INTERVAL = 0.1
"""Seconds between two looks."""

Look = Callable[[], Awaitable[Verdict]]


async def watch(look: Look, timeout: float, on_timeout: Finding) -> Verdict:
    """The first verdict that passes, or the last one, as *on_timeout*, after *timeout* seconds.

    A system that does not answer is looked at again: missing data never passes, and after the time it is the verdict.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                verdict = await look()
        except (Unavailable, TimeoutError) as away:
            verdict = Verdict(finding=Finding.INCONCLUSIVE, sentence=str(away) or "no answer in time")
        if verdict.passed:
            return verdict
        if time.monotonic() >= deadline:
            finding = Finding.INCONCLUSIVE if verdict.finding is Finding.INCONCLUSIVE else on_timeout
            return verdict.model_copy(
                update={"finding": finding, "sentence": f"{verdict.sentence} (after {timeout:g} s)"}
            )
        await asyncio.sleep(INTERVAL)
