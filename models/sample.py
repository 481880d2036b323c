"""What was measured of one service in one region between two looks: the golden signals, as numbers."""

from __future__ import annotations

from pydantic import FiniteFloat

from models.base import Frozen, Time


class Sample(Frozen):
    """Of the *seconds* before *at*, except what is in flight. Where nobody asked, no share and no time is known."""

    service: str
    region: str
    at: Time
    seconds: FiniteFloat
    requests_per_second: FiniteFloat
    error_share: FiniteFloat | None
    """From 0 to 1."""
    slow_share: FiniteFloat | None
    """From 0 to 1: slower than the latency objective, or given up by the caller. 0 where there is no objective."""
    p50_ms: FiniteFloat | None
    """This and the two below: of those who were answered, as exact as the source's buckets; none where nobody was."""
    p95_ms: FiniteFloat | None
    p99_ms: FiniteFloat | None
    in_flight: int
    """Requests that callers waited for at that moment."""
