"""What workflows may ask of the deploy target."""

from __future__ import annotations

from datetime import timedelta

from activities.contract import Contract
from models.change import ChangeRequest, UndoRequest
from models.receipt import Outcome, Receipt
from models.scope import Scope
from models.stage import Ready
from models.verdict import Verdict

UNDO_READY_TIMEOUT = 60.0
"""Seconds to wait for replicas that an undo has brought back, before traffic is sent to them again."""


class ReadyRequest(Scope):
    gate: Ready


def ready_again(undone: Receipt) -> tuple[Ready, ...]:
    """What must pass once a scaling is *undone*, before anything that was changed earlier is taken back: the replicas
    that this has brought back are ready, so that no traffic returns to a release that has nobody to serve it."""
    if undone.outcome is not Outcome.RESTORED:
        return ()
    return tuple(
        Ready(release=field.removeprefix("replicas/"), replicas=value, timeout=UNDO_READY_TIMEOUT)
        for field, value in undone.after.items()
        if field.startswith("replicas/") and isinstance(value, int) and value > 0
    )


CHANGE = Contract("platform.change.v1", ChangeRequest, Receipt, timeout=timedelta(seconds=10))
UNDO = Contract("platform.undo.v1", UndoRequest, Receipt, timeout=timedelta(seconds=10), attempts=30)
READY = Contract("platform.ready.v1", ReadyRequest, Verdict, timeout=timedelta(hours=2))
