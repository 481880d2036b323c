"""The ledger of one object: receipts and fences, in an annotation of the object that they are about.

So a change and its receipt are one write, and whoever writes compares what it has read of both. An annotation is small
(all of an object's together may have 256 KiB) and people can lose it, so two things are particular:

- Incidents are forgotten as a whole, the oldest first, once the annotation is larger than :data:`LARGEST`, and only
  those that were quiet for :data:`KEPT`: no call can be that late, and nobody undoes them any more. Where that does not
  make room, changes are refused; undoings and fences are not.
- ``kubectl rollout undo`` writes over the annotations of a Deployment with those of the ReplicaSet that it goes back
  to. But the controller has copied them to the ReplicaSet that was in force, so the ledger is the union of all copies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from pydantic import ValidationError

from activities.driver import Refused
from models.base import Frozen, Time
from models.identity import Key
from models.receipt import Receipt

ANNOTATION = "sternway/ledger"
LARGEST = 64 * 1024
"""Characters of the annotation. About 300 receipts."""
KEPT = timedelta(days=30)


class Ledger(Frozen):
    receipts: tuple[Receipt, ...] = ()
    """Of changes and undoings, oldest first."""
    fences: dict[str, Time] = {}
    """By incident, when it was fenced first."""

    def receipt(self, key: Key) -> Receipt | None:
        return next((receipt for receipt in self.receipts if receipt.key == str(key)), None)

    def with_receipt(self, receipt: Receipt) -> Ledger:
        return self.model_copy(update={"receipts": (*self.receipts, receipt)})

    def with_fence(self, incident: str, at: datetime) -> Ledger:
        return self.model_copy(update={"fences": {**self.fences, incident: at}})

    def text(self) -> str:
        return self.model_dump_json(exclude_defaults=True)


def read(what: str, copies: Iterable[Mapping[str, str]]) -> Ledger:
    """The ledger of the object *what*, from its annotations and *copies* of them. Raises ``Refused``."""
    receipts: dict[str, Receipt] = {}
    fences: dict[str, Time] = {}
    for copy in copies:
        try:
            ledger = Ledger.of_any_build(copy.get(ANNOTATION, "{}"))
        except ValidationError as error:
            raise Refused(
                f"the annotation {ANNOTATION} of {what} cannot be read, so nobody knows what Sternway has changed "
                "there; restore it from a copy on one of its ReplicaSets, or remove it and give up undoing what it held"
            ) from error
        receipts |= {receipt.key: receipt for receipt in ledger.receipts if receipt.key not in receipts}
        fences |= {incident: at for incident, at in ledger.fences.items() if incident not in fences}
    return Ledger(receipts=tuple(sorted(receipts.values(), key=lambda receipt: receipt.at)), fences=fences)


def with_room(ledger: Ledger, what: str, now: datetime) -> Ledger:
    """*ledger* without old incidents where it is too large for another change. Raises ``Refused``."""
    for incident, quiet in sorted(_quiet_since(ledger).items(), key=lambda one: one[1]):
        if len(ledger.text()) <= LARGEST or now - quiet < KEPT:
            break
        ledger = _without(ledger, incident)
    if len(ledger.text()) > LARGEST:
        raise Refused(
            f"the receipts of the last {KEPT.days} days fill the {LARGEST} characters that Sternway takes of the "
            f"annotations of {what}; undo or keep what they describe, then remove the annotation {ANNOTATION}"
        )
    return ledger


def _quiet_since(ledger: Ledger) -> dict[str, datetime]:
    """By incident, when it last had a receipt or a fence."""
    marks = [(Key.parse(receipt.key).incident, receipt.at) for receipt in ledger.receipts] + list(ledger.fences.items())
    last: dict[str, datetime] = {}
    for incident, at in marks:
        last[incident] = max(at, last.get(incident, at))
    return last


def _without(ledger: Ledger, incident: str) -> Ledger:
    return Ledger(
        receipts=tuple(receipt for receipt in ledger.receipts if Key.parse(receipt.key).incident != incident),
        fences={name: at for name, at in ledger.fences.items() if name != incident},
    )
