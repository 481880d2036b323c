"""The states of a breaker, and telling whoever listens how they change."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

_log = logging.getLogger("sternway_guard")


class State(Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True)
class Transition:
    """One change of state, told to whoever listens."""

    target: object
    before: State
    after: State
    because: str
    at: float
    """By the breaker's clock."""


Listener = Callable[[Transition], None]


class Telling:
    """Of one breaker: in their order, by one thread at a time."""

    __slots__ = ("_listeners", "_one_at_a_time", "_untold")

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = listeners
        self._untold: list[Transition] = []
        self._one_at_a_time = threading.Lock()

    def anew(self) -> Telling:
        """The same listeners, and nothing that is untold."""
        return Telling(self._listeners)

    def note(self, transition: Transition) -> None:
        """It has happened; :meth:`tell` will say so."""
        self._untold.append(transition)

    def tell(self) -> None:
        """To be called without the breaker's lock: who listens may ask the breaker."""
        while self._untold and self._one_at_a_time.acquire(blocking=False):
            try:
                while self._untold:
                    self._tell_of(self._untold.pop(0))
            finally:
                self._one_at_a_time.release()

    def _tell_of(self, transition: Transition) -> None:
        for listener in self._listeners:
            try:
                listener(transition)
            except Exception:  # noqa: BLE001 -- nobody who only listens may change the outcome of a call
                _log.exception("%s: a listener failed at %s", transition.target, transition)
