"""What workflows may ask of the mesh module."""

from __future__ import annotations

from datetime import timedelta

from activities.contract import Contract
from models.change import ChangeRequest, UndoRequest
from models.receipt import Receipt
from models.scope import Scope
from models.stage import Drained, Routed
from models.verdict import Verdict


class RoutedRequest(Scope):
    gate: Routed


class DrainedRequest(Scope):
    gate: Drained


CHANGE = Contract("mesh.change.v1", ChangeRequest, Receipt, timeout=timedelta(seconds=10))
UNDO = Contract("mesh.undo.v1", UndoRequest, Receipt, timeout=timedelta(seconds=10), attempts=30)
ROUTED = Contract("mesh.routed.v1", RoutedRequest, Verdict, timeout=timedelta(hours=2))
DRAINED = Contract("mesh.drained.v1", DrainedRequest, Verdict, timeout=timedelta(hours=2))
