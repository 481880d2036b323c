"""Does a change still stand, or has somebody else come after it?"""

from __future__ import annotations

from collections.abc import Sequence

from models.identity import Key
from models.receipt import Outcome, Receipt


def taken_over(do: Receipt, later: Sequence[Receipt]) -> bool:
    """Whether another incident's change of one of its fields stands. *later*: the receipts of the resource since."""
    incident = Key.parse(do.key).incident
    restored = {receipt.key for receipt in later if receipt.outcome is Outcome.RESTORED}
    changes = {Key.parse(receipt.key): receipt for receipt in later if receipt.outcome is Outcome.APPLIED}
    return any(
        key.incident != incident and receipt.after.keys() & do.after.keys() and str(key.undo()) not in restored
        for key, receipt in changes.items()
    )
