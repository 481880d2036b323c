"""The calls that began within one second, counted where they end: what a breaker touches on every call."""

from __future__ import annotations


class Second:
    """Written by the calls themselves, without a lock: each of them keeps hold of the one that it began in."""

    __slots__ = ("bad", "began", "ok", "over", "overdue", "running", "told")

    def __init__(self, began: float) -> None:
        self.began = began
        self.running = 0
        self.ok = 0
        self.bad = 0
        self.told = 0
        """Of the good ones, how many the judge knows of."""
        self.overdue = 0
        """Of the running ones, how many have counted as bad already."""
        self.over = False
        """Whether nobody wants to know any more how its calls end: the breaker has tripped, or does not look."""

    def untold(self) -> int:
        """Good calls that the judge does not know of yet; from now on it does."""
        good = self.ok - self.told
        self.told = self.ok
        return good
