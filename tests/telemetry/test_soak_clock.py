"""A soak lasts as long as it was to last, also where the clock of what it reads is set forward meanwhile."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from temporalio.testing import ActivityEnvironment

from activities.analytics.contract import SoakRequest
from models.telemetry import USERS, Count, NoData, Totals, WindowReading
from tests.telemetry.scripted import SCOPE, analytics

SECONDS = 1.0


class Clockwise:
    """Healthy users, by a clock that goes ahead an hour between two readings."""

    def __init__(self) -> None:
        self._read = 0

    async def totals(self, service: str, slow_ms: float | None) -> Totals | NoData:
        self._read += 1
        at = datetime.now(UTC) + timedelta(hours=self._read)
        users = Count(requests=1000 * self._read, errors=0, slow=0)
        return Totals(service=service, region="eu", at=at, epoch="one", arms={USERS: users})

    async def history(self, service: str, slow_ms: float | None, until: datetime) -> Sequence[WindowReading] | NoData:
        return NoData(service=service, region="eu", reason="a soak does not ask for it")

    async def in_flight(self, service: str, release: str) -> int | NoData:
        return NoData(service=service, region="eu", reason="a soak does not ask for it")


async def test_a_clock_that_is_set_forward_ends_a_soak_no_sooner(tmp_path: Path) -> None:
    request = SoakRequest(**SCOPE, arm=USERS, seconds=SECONDS, extension=5, min_requests=10)
    began = time.monotonic()
    with analytics(Clockwise(), tmp_path) as activities:
        verdict = await ActivityEnvironment().run(activities.soak, request)
    assert verdict.passed
    assert time.monotonic() - began >= SECONDS
