"""Who is who: incident ids, correlation keys and idempotency keys. Each has exactly one function that makes it."""

from __future__ import annotations

import re
from typing import Literal

from ulid import ULID

from models.base import Frozen
from models.catalog import Level

MEMO = "incident"
"""The memo under which a run of a workflow says which incident, or which prevention, it is."""


def new_incident_id() -> str:
    """A fresh ULID: sortable by the time of its minting, 26 characters."""
    return str(ULID())


def correlation_key(region: str, service: str, level: Level) -> str:
    """The workflow id under which alerts of one trouble meet: at most one incident of it is open at a time.

    *level* is that of the incident, so that one which may only advise never takes the alerts of one that may act.
    """
    return f"incident:{region}:{service}:{level}"


def prevention_id(region: str, service: str) -> str:
    """The workflow id of a prevention: one runs at a time for a service in a region."""
    return f"prevention-{region}-{service}"


class Key(Frozen):
    """The idempotency key of one driver call. The same key always gets the first receipt back."""

    incident: str
    step: str
    action: Literal["do", "undo"] = "do"
    attempt: int = 1

    def __str__(self) -> str:
        return f"{self.incident}:{self.step}:{self.action}:{self.attempt}"

    def undo(self) -> Key:
        """The key of the call that takes this one back."""
        return self.model_copy(update={"action": "undo"})

    def done(self) -> Key:
        """The key of the call that this one takes back."""
        return self.model_copy(update={"action": "do"})

    @classmethod
    def parse(cls, text: str) -> Key:
        """The key that was written as *text*. The step may hold colons, the incident may not. Raises ``ValueError``."""
        incident, _, rest = text.partition(":")
        step, action, attempt = rest.rsplit(":", 2) if rest.count(":") >= 2 else ("", "", "")
        if not incident or not step or action not in ("do", "undo") or not re.fullmatch("[1-9][0-9]*", attempt):
            raise ValueError("a key reads incident:step:do:attempt or incident:step:undo:attempt")
        return cls(incident=incident, step=step, action=action, attempt=int(attempt))
