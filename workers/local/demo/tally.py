"""Requests of the demo's users, told apart by when they failed: before the protection, until recovery, afterwards.

The load generator counts answers by second. A second counts as *after* a milestone when it begins at the milestone or
later; the second in which the milestone falls counts as before it. What failed after the recovery is judged by when
requests were *sent*, so that a request that was under way at the recovery does not count against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from deploy.demo.load import Second
from models.base import Frozen
from models.incident import Milestone
from workers.local.demo.story import Story


class Requests(Frozen):
    """Requests of one region, or of all. None: not known."""

    sent: int | None
    ok: int | None
    failed: int | None
    failed_before_protection: int | None
    """None where there was no protection."""
    failed_between_protection_and_recovery: int | None
    """Up to the end of the run where there was no recovery; none where there was no protection."""
    failed_after_recovery: int | None
    """Of the requests *sent* after the recovery; none where there was no recovery. Where it is not 0 it may be too low:
    failures in the second of the recovery itself count as one."""


UNKNOWN = Requests(
    sent=None,
    ok=None,
    failed=None,
    failed_before_protection=None,
    failed_between_protection_and_recovery=None,
    failed_after_recovery=None,
)


def tally(story: Story, region: str) -> Requests:
    """The requests of *region*: by the load generator's totals, and by its seconds as long as there are none."""
    seconds = story.seconds.get(region, [])
    if not seconds:
        return UNKNOWN
    totals = (story.totals or {}).get(region)
    failed = totals.failed if totals else sum(second.failed for second in seconds)
    protected = protected_at(story, region)
    after = _after_recovery(story, region)
    since = None if protected is None else max(_since(seconds, protected, "failed"), after or 0)
    return Requests(
        sent=totals.sent if totals else sum(second.sent for second in seconds),
        ok=totals.ok if totals else sum(second.ok for second in seconds),
        failed=failed,
        failed_before_protection=None if since is None else failed - since,
        failed_between_protection_and_recovery=None if since is None else since - (after or 0),
        failed_after_recovery=after,
    )


def protected_at(story: Story, region: str) -> float | None:
    """Unix time of the region's first protection."""
    times = (incident.at(Milestone.PROTECTED) for incident in story.acting(region))
    return min((at for at in times if at is not None), default=None)


def recovered_at(story: Story, region: str) -> float | None:
    """Unix time at which the last of the region's incidents recovered; none while one has not."""
    times = [incident.at(Milestone.RECOVERED) for incident in story.acting(region)]
    known = [at for at in times if at is not None]
    return max(known) if known and len(known) == len(times) else None


def add(requests: Iterable[Requests]) -> Requests:
    """All regions together. A sum with something unknown in it is unknown."""
    rows = list(requests)
    sums: dict[str, int | None] = {}
    for field in Requests.model_fields:
        values: list[int | None] = [getattr(row, field) for row in rows]
        known = [value for value in values if value is not None]
        sums[field] = sum(known) if known and len(known) == len(values) else None
    return Requests(**sums)


def _after_recovery(story: Story, region: str) -> int | None:
    recovered, seconds = recovered_at(story, region), story.seconds[region]
    if recovered is None or not _since(seconds, recovered, "sent"):
        return None
    last_failure = seconds[-1].last_failure_sent_at
    if last_failure is None or last_failure <= recovered:
        return 0
    return max(1, _since(seconds, recovered, "failed"))


def _since(seconds: Sequence[Second], at: float, count: Literal["sent", "failed"]) -> int:
    """The sum of *count* over the seconds that begin at Unix time *at* or later."""
    begins = [seconds[0].at - 1, *(second.at for second in seconds)]
    return sum(getattr(second, count) for begin, second in zip(begins, seconds, strict=False) if begin >= at)
