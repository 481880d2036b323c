"""How the control plane says no; the admin interface turns each into its status."""

from __future__ import annotations

from models.base import SternwayError


class Invalid(SternwayError):
    """The request makes no sense, or would fail users' requests (422)."""


class Unknown(SternwayError):
    """There is no such service or lease here (404)."""


class Spent(SternwayError):
    """The lease was released or has lapsed, and its id cannot be taken again (410)."""
