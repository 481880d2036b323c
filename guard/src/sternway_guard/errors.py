"""What a guard raises instead of calling: each says whom it protects, why, and when to come again."""

from __future__ import annotations


class Rejected(Exception):
    """The call was not made. *target* is whom it would have gone to, *retry_after* in seconds where that is known."""

    def __init__(self, target: object, reason: str, retry_after: float | None = None) -> None:
        super().__init__(target, reason, retry_after)
        self.target = target
        self.reason = reason
        self.retry_after = retry_after

    def __str__(self) -> str:
        """Put together only where somebody reads it: under overload there are many of these."""
        again = "" if self.retry_after is None else f"; come again in {self.retry_after:.3g} s"
        return f"{self.target}: {self.reason}{again}"


class BreakerOpen(Rejected):
    """The breaker is open, or lets only probes through."""


class Shed(Rejected):
    """There was no room, or something more valuable needed it."""


class DeadlinePassed(Rejected):
    """Nobody waits for the answer any more."""


class TargetFailed(Exception):
    """The other way round: raised within a guard by what knows it. It counts, whatever ``fails`` says of errors."""
