"""Watching the world from an activity: look, and look again until the time is over.

A watch outlives the process that began it. One that stops hands it over at once, and whoever goes on with it has the
time that is left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

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
    began = time.monotonic() - _watched_before()
    while True:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                verdict = await look()
        except (Unavailable, TimeoutError) as away:
            verdict = Verdict(finding=Finding.INCONCLUSIVE, sentence=str(away) or "no answer in time")
        if verdict.passed:
            return verdict
        watched = time.monotonic() - began
        if watched >= timeout:
            finding = Finding.INCONCLUSIVE if verdict.finding is Finding.INCONCLUSIVE else on_timeout
            return verdict.model_copy(
                update={"finding": finding, "sentence": f"{verdict.sentence} (after {timeout:g} s)"}
            )
        activity.heartbeat(watched)
        hand_over_if_stopping()
        await asyncio.sleep(INTERVAL)


def hand_over_if_stopping() -> None:
    """Call between two looks, with the progress said: ends this attempt where the process was told to stop.

    Raises ApplicationError, upon which Temporal offers the activity to another process.
    """
    if activity.is_worker_shutdown():
        raise ApplicationError(
            "this process stops; another one goes on", type="HandedOver", category=ApplicationErrorCategory.BENIGN
        )


def _watched_before() -> float:
    """Seconds in which earlier attempts have watched."""
    details = activity.info().heartbeat_details
    return details[0] if details else 0.0
