"""Who is who: incident ids, correlation keys and idempotency keys. Each has exactly one function that makes it."""

from __future__ import annotations

import hashlib
import re
from typing import Literal

from ulid import ULID

from models.base import Frozen


def new_incident_id() -> str:
    """A fresh ULID: sortable by the time of its minting, 26 characters."""
    return str(ULID())


def correlation_key(region: str, service: str, group: str) -> str:
    """The workflow id under which alerts of one trouble meet.

    *group* is the sender's own grouping (source, receiver and group key). It is shortened to a digest, because
    Alertmanager's group keys hold braces, quotes and any length.
    """
    digest = hashlib.sha256(group.encode()).hexdigest()[:12]
    return f"incident:{region}:{service}:{digest}"


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

    @classmethod
    def parse(cls, text: str) -> Key:
        """The key that was written as *text*. The step may hold colons, the incident may not. Raises ``ValueError``."""
        incident, _, rest = text.partition(":")
        step, action, attempt = rest.rsplit(":", 2) if rest.count(":") >= 2 else ("", "", "")
        if not incident or not step or action not in ("do", "undo") or not re.fullmatch("[1-9][0-9]*", attempt):
            raise ValueError("a key reads incident:step:do:attempt or incident:step:undo:attempt")
        return cls(incident=incident, step=step, action=action, attempt=int(attempt))
