"""Undo or hold? After a stage has failed and traffic has moved, measured health decides (law 4).

Undoing would send the users back to the release that is rolled away from. That is right only where that release was
measured healthy before anything was changed; going back to a release that was bad, or of which nothing is known, is
never automatic.
"""

from __future__ import annotations

from activities.rollback.contract import Decision
from models.verdict import Finding, Verdict


def decide(before: Verdict, target: Finding, bad_release: str, target_release: str) -> Decision:
    """*before*: health of the release that undoing leads back to. *target*: finding on the release that serves now."""
    if target is Finding.PASS:
        return Decision(action="hold", sentence=f"{target_release} serves well: staying on it, a person should look")
    if before.finding is Finding.PASS:
        return Decision(
            action="compensate", sentence=f"{bad_release} was healthy before the change, so going back to it is safe"
        )
    return Decision(
        action="hold",
        sentence=f"going back to {bad_release} is not safe ({before.sentence}): a person must decide",
    )
