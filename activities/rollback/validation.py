"""Whether a rollback point is still a place that can be gone back to. Pure: what was read goes in.

What is looked at: its age, and whether the platform still knows how to run the release. What is not known is said, and
does not condemn it. Not looked at: whether the image or program itself can still be fetched, which no platform driver
tells.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from activities.rollback.duration import in_words
from models.point import RollbackPoint
from models.verdict import Finding, Verdict


def check(point: RollbackPoint, runnable: Collection[str] | None, now: datetime) -> Verdict:
    """PASS, or FAIL for what is known to be wrong; never INCONCLUSIVE.

    *runnable*: the releases that the platform knows how to run; none: not known.
    """
    if now >= point.expires_at:
        return _fail(f"it is older than its limit of {in_words(point.expires_at - point.taken_at)}")
    if runnable is not None and point.release not in runnable:
        named = ", ".join(sorted(runnable)) or "none"
        return _fail(f"the platform does not know any more how to run {point.release}; it knows {named}")
    run = (
        f"the platform knows how to run {point.release}" if runnable is not None else "whether it can be run: not known"
    )
    return Verdict(finding=Finding.PASS, sentence=f"{in_words(now - point.taken_at)} old; {run}")


def _fail(sentence: str) -> Verdict:
    return Verdict(finding=Finding.FAIL, sentence=sentence)
