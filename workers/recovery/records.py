"""What the store knows of an incident whose workflow is gone, and telling it what was done about that.

Nothing here is needed to undo anything: without the store the file's catalog serves, and the next run records.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel
from ulid import ULID

from activities.analytics.store import Store, catalogs, incidents, open_store
from activities.analytics.store.incidents import StoredIncident, StoredStep
from activities.analytics.store.journal import append
from models.catalog import Catalog
from models.catalog_file import parse
from models.incident import Phase
from models.journal import Ended, JournalEntry, ReceiptKept, StepReported
from models.receipt import Outcome, Receipt
from models.settings import Settings
from workers.catalog import load_catalog
from workers.recovery.effects import Effect

STATUS = {"in-effect": "done", "undone": "undone", "superseded": "superseded"}


@dataclass(frozen=True)
class Known:
    """One incident's record."""

    incident: StoredIncident | None = None
    steps: tuple[StoredStep, ...] = ()
    catalog: str | None = None
    """Text of the catalog that it began with."""


@dataclass(frozen=True)
class Word:
    """Who did it, and why: it is recorded."""

    action: str
    by: str
    reason: str
    step: str | None = None
    """The only step that it was done to; None: the incident."""


def reach(settings: Settings, incident: str) -> tuple[Store | None, Known, str]:
    """The store with what it knows of the incident; or none, and why."""
    try:
        store = open_store(settings.store_url)
        return store, look_up(store, incident), ""
    except Exception as away:  # noqa: BLE001 -- whatever is wrong with the store, it must not stand in undoing's way
        return None, Known(), str(away)


def look_up(store: Store, incident: str) -> Known:
    """What the store knows of it, which may be nothing. Raises ``SternwayError``."""
    found = incidents.incident(store, incident)
    text = catalogs.recall(store, found.catalog) if found else None
    return Known(found, tuple(incidents.steps(store, incident)), text)


def catalog_of(known: Known, file: Path) -> Catalog:
    """The catalog that the incident began with or, where nobody has it, that of *file*. Raises ``CatalogError``."""
    return _parsed(known.catalog) if known.catalog else load_catalog(file).catalog


@lru_cache(maxsize=4)
def _parsed(text: str) -> Catalog:
    """Incidents that are lost together have mostly begun with the same catalog."""
    return parse(text, "the incident's catalog", {}).catalog


def tell(store: Store, incident: str, known: Known, found: Sequence[Effect], word: Word, end: Ended | None) -> bool:
    """Record what became of the changes *found* and, with *end*, of the incident; False where all of it was recorded.

    Raises ``SternwayError``.
    """
    news: list[tuple[str, BaseModel | dict[str, str]]] = [*_of_effects(known.steps, found)]
    if word.step is None:
        news += _of_others(known.steps, found)
    row = known.incident
    over = end is not None and row is not None and row.ended_at is not None and row.phase is end.phase
    if end and not over and (row or news):
        news.append(("incident-ended", end))
    if not news:
        return False
    source, now = f"{word.action}/{ULID()}", datetime.now(UTC)
    of_step = {"step": word.step} if word.step else {}
    said = {"action": word.action, "by": word.by, "reason": word.reason, **of_step}
    append(
        store,
        [
            JournalEntry(
                incident=incident,
                source=source,
                source_seq=number,
                kind=kind,
                at=now,
                payload=payload if isinstance(payload, dict) else payload.model_dump(mode="json"),
            )
            for number, (kind, payload) in enumerate([("operator", said), *news])
        ],
    )
    return True


def ended(known: Known, phase: Phase, sentence: str) -> Ended:
    """The end of the incident, with what is known of its plan."""
    plan = known.incident
    return Ended(
        phase=phase, sentence=sentence, strategy=plan.strategy if plan else None, target=plan.target if plan else None
    )


def _of_effects(steps: Sequence[StoredStep], found: Sequence[Effect]) -> Iterator[tuple[str, BaseModel]]:
    """What the store does not know yet of the changes, oldest first."""
    for effect in reversed(found):
        own = _own(steps, effect)
        recorded = {receipt.key for receipt in own.receipts} if own else set[str]()
        taken_by = own.source if own else None
        receipts = [r for r in (effect.change, effect.undoing) if r and r.key not in recorded]
        for receipt in receipts:
            yield "receipt", ReceiptKept(step=effect.step, receipt=receipt, taken_by=taken_by)
        status = STATUS[effect.standing]
        if not own or own.record.status != status:
            yield "step", _step(effect, own, status)


def _of_others(steps: Sequence[StoredStep], found: Sequence[Effect]) -> Iterator[tuple[str, BaseModel]]:
    """Steps that were taken, or begun, and that no control plane has: the protection, and what never arrived."""
    having = [_own(steps, effect) for effect in found]
    for step in steps:
        if step in having or step.record.status not in ("registered", "done", "failed"):
            continue
        lease = step.record.module == "breaker"
        detail = "the lease was lifted, or has lapsed" if lease else "no control plane has it"
        values = step.record.model_dump(exclude={"at", "status", "detail"})
        status = "undone" if lease else "nothing-to-undo"
        yield "step", StepReported(**values, status=status, detail=detail, taken_by=step.source)


def _own(steps: Sequence[StoredStep], effect: Effect) -> StoredStep | None:
    """The step that made the change: its receipt tells, or its name where the receipt was not recorded any more."""
    by_receipt = (s for s in steps if any(receipt.key == effect.change.key for receipt in s.receipts))
    by_name = (s for s in reversed(steps) if s.record.step == effect.step and not _changes(s.receipts))
    return next(by_receipt, None) or next(by_name, None)


def _changes(receipts: Sequence[Receipt]) -> bool:
    return any(receipt.outcome is Outcome.APPLIED for receipt in receipts)


def _step(effect: Effect, own: StoredStep | None, status: str) -> StepReported:
    if own:
        values = own.record.model_dump(exclude={"at", "status", "detail"})
    else:
        module = effect.plane.partition(" ")[0]
        values = {"step": effect.step, "title": effect.describe(), "module": module, "resource": effect.change.resource}
    return StepReported.model_validate({**values, "status": status, "taken_by": own.source if own else None})
