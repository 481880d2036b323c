"""Undo or hold? After a stage has failed and traffic has moved, measured health decides (law 4).

Undoing would send the users back to the releases that are rolled away from. That is right only where every one of them
was measured healthy before anything was changed, or was measured beside its target and did less harm. Going back to a
release that was bad, or of which nothing is known, is never automatic.
"""

from __future__ import annotations

from collections.abc import Sequence

from activities.rollback.contract import Decision, Moved
from models.verdict import Finding


def decide(moved: Sequence[Moved]) -> Decision:
    """*moved*: one service or more; where undoing is not right for one of them, none is undone."""
    for one in moved:
        if one.now is Finding.PASS:
            return Decision(action="hold", sentence=f"{one.target} serves well: staying on it, a person should look")
        if one.before.finding is not Finding.PASS and not one.worse:
            return Decision(
                action="hold",
                sentence=f"going back to {one.bad} is not safe ({one.before.sentence}): a person must decide",
            )
    reasons = ", ".join(_reason(one) for one in moved)
    return Decision(action="compensate", sentence=f"{reasons}, so going back is safe")


def _reason(one: Moved) -> str:
    if one.before.finding is Finding.PASS:
        return f"{one.bad} was healthy before the change"
    return f"{one.target} does more harm than {one.bad}, measured side by side"
