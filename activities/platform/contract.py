"""What workflows may ask of the deploy target."""

from __future__ import annotations

from datetime import timedelta

from activities.contract import Contract
from models.change import ChangeRequest, UndoRequest
from models.plan import Ready
from models.receipt import Receipt
from models.scope import Scope
from models.verdict import Verdict


class ReadyRequest(Scope):
    gate: Ready


CHANGE = Contract("platform.change.v1", ChangeRequest, Receipt, timeout=timedelta(seconds=10))
UNDO = Contract("platform.undo.v1", UndoRequest, Receipt, timeout=timedelta(seconds=10), attempts=30)
READY = Contract("platform.ready.v1", ReadyRequest, Verdict, timeout=timedelta(hours=2))
