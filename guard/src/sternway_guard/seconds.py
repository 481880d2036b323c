"""Calls, counted in the second that they began in: what a breaker touches on every call."""

from __future__ import annotations

from collections.abc import Iterator

MOST = 32
"""Seconds whose calls are waited for; of more that have calls which still run, the oldest are forgotten."""


class Second:
    """Written by the calls themselves, without a lock: each of them keeps hold of the one that it began in."""

    __slots__ = ("bad", "began", "good", "over", "overdue", "running", "told")

    def __init__(self, began: float) -> None:
        self.began = began
        self.running = 0
        self.good = 0
        self.bad = 0
        self.told = 0
        """Of the good ones, how many the judge knows of."""
        self.overdue = 0
        """Of the running ones, how many have counted as bad already."""
        self.over = False
        """Whether nobody wants to know any more how its calls end: the breaker has tripped, or does not look."""

    def untold(self) -> int:
        """Good calls that the judge does not know of yet; from now on it does."""
        good = self.good - self.told
        self.told = self.good
        return good


class Seconds:
    """The newest, which calls begin in, and those before it that have calls which still run."""

    __slots__ = ("_older", "newest")

    def __init__(self, now: float) -> None:
        self._older: list[Second] = []
        self.newest = Second(now)

    def __iter__(self) -> Iterator[Second]:
        yield from self._older
        yield self.newest

    def untold(self) -> int:
        """As of each of them."""
        return sum(second.untold() for second in self)

    def overdue(self, before: float) -> int:
        """Calls that began before then and still run, and have not counted for it yet; from now on they have."""
        late = 0
        for second in self:
            if second.began <= before and second.running > second.overdue:
                late += second.running - second.overdue
                second.overdue = second.running
        return late

    def begin(self, now: float) -> None:
        """The next. The one before it stays in any case: a call may just be beginning in it."""
        self._older = [*(second for second in self._older if second.running > 0), self.newest]
        for forgotten in self._older[:-MOST]:
            forgotten.over = True
        self._older = self._older[-MOST:]
        self.newest = Second(now)

    def begin_anew(self, now: float) -> None:
        """As if there had been none: how calls of before end says nothing any more."""
        for second in self:
            second.over = True
        self._older.clear()
        self.newest = Second(now)
