"""A change as workflows ask for it, the same for every module that makes changes with receipts."""

from __future__ import annotations

from models.identity import Key
from models.receipt import Fields
from models.scope import Scope


class ChangeRequest(Scope):
    key: Key
    fields: Fields
    expected: int | None
    """The generation that the plan was made for, or the last receipt's."""


class UndoRequest(Scope):
    key: Key
    """Of the *do* that is to be taken back."""
