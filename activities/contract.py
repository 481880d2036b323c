"""What a workflow knows of an activity: its versioned name, its one argument, its result, and its limits.

Contracts import models only, so that a workflow that imports them loads no driver.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Generic, TypeVar

from models.base import Frozen

Argument = TypeVar("Argument", bound=Frozen)
Result = TypeVar("Result")


class WhenRegionIsSilent(StrEnum):
    """The declared answer when neither the region's pool nor a peer's takes an activity in time."""

    HOLD = "hold"
    """The incident holds, with the region's name, and goes on by itself when a pool is back."""
    SKIP = "skip"
    """The incident goes on without it."""


@dataclass(frozen=True)
class Contract(Generic[Argument, Result]):
    """A typed activity name. Times are upper bounds."""

    name: str
    argument: type[Argument]
    result: type[Result]
    timeout: timedelta
    """One attempt, from start to close."""
    attempts: int = 12
    """With their pauses about 13 s: a control plane that was killed is back by then. 0: for ever."""
    heartbeat: timedelta = timedelta(seconds=2)
    """A worker that has not been heard of for so long is dead, and the attempt is made anew. Workers send heartbeats by
    themselves; an activity says one only to keep its progress for the next attempt."""
    when_silent: WhenRegionIsSilent = WhenRegionIsSilent.HOLD
