"""What a driver returns for a change: all that undoing it needs.

A resource is a flat mapping of fields (``weight/v1``, ``replicas/v2``). A receipt holds only the fields that the
change touched, so that undoing it never overwrites what somebody else changed beside it.
"""

from __future__ import annotations

from enum import StrEnum

from models.base import Frozen, Time

Value = int | str | bool | None
"""A field's value; ``None`` means that the field is absent."""

Fields = dict[str, Value]


class Outcome(StrEnum):
    """What a change, or its undoing, came to."""

    APPLIED = "applied"
    RESTORED = "restored"
    SUPERSEDED = "superseded"
    """Somebody else changed the fields in the meantime: nothing was overwritten, a person should look."""
    NEVER_HAPPENED = "never-happened"
    """The change to undo was never made; its key is fenced, so that a late call of it is refused."""


class Receipt(Frozen):
    """State before, state after and the resource's generation after the change."""

    key: str
    resource: str
    before: Fields
    after: Fields
    generation: int
    outcome: Outcome
    at: Time
    pending: tuple[str, ...] = ()
    """Who has not confirmed yet: proxies that have not acknowledged. Not empty means: the change is inconclusive."""


class Receipts(Frozen):
    """All that one control plane has done for one incident, and taken back again."""

    receipts: tuple[Receipt, ...]
    """Oldest first. The key's action tells a change from its undoing."""


class Fence(Frozen):
    """An incident of which a control plane takes no new change any more. What it has done can still be undone."""

    incident: str
    at: Time
    """When it was fenced first."""
    lifted: tuple[str, ...] = ()
    """Ids of the incident's leases that were lifted with it."""
    pending: tuple[str, ...] = ()
    """Proxies that have not confirmed that yet; each drops the protection by itself when its lease is over."""


class Conflict(Frozen):
    """The answer to a change whose expected generation has moved on."""

    resource: str
    expected: int
    generation: int
    state: Fields
