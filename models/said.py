"""What people and alerts say of a trouble, beyond what can be measured."""

from __future__ import annotations

from models.base import Frozen, Time


class Said(Frozen):
    began_at: Time
    """The first alert's arrival."""
    corruption: bool = False
    """Somebody reports that data are being damaged."""
    emergency_allowed_by: str | None = None
    """The person who allows an emergency rollback; none: nobody has."""
