"""A forked process has every object as it was, and of all threads only the one that forked.

A lock that another thread held would stay held, and the calls of other threads would run for ever. They are the
parent's: they end there, and what came of them is told there.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forked(Protocol):
    """What has a lock, or counts calls."""

    def forked(self) -> None:
        """This is a child: begin with a new lock, and with none of the parent's calls. Nothing else runs yet."""
        ...


_living: WeakSet[Forked] = WeakSet()


def remember(one: Forked) -> None:
    """Tell it of each fork, as long as it lives."""
    _living.add(one)


def _forked() -> None:
    for one in tuple(_living):
        one.forked()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forked)
