"""A moment's look waits for a source that is away, as one that was killed is back soon; and not for long."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from activities.analytics import sampling
from activities.analytics.sampling import observe_window
from models.catalog import Availability, Catalog, Region, Service, Slos
from models.telemetry import Count, NoData, Totals, Window, WindowReading

SLOS = Slos(availability=Availability(objective=99.9))
CATALOG = Catalog(
    version=1, regions={"eu": Region()}, services={"payments": Service(tier=1, regions=("eu",), slos=SLOS)}
)


class Away:
    """A source that answers again after some readings, from then on of another start of it."""

    def __init__(self, readings: int) -> None:
        self._left, self._read = readings, 0

    async def totals(self, service: str, slow_ms: float | None) -> Totals | NoData:
        self._left, self._read = self._left - 1, self._read + 1
        if self._left >= 0:
            return NoData(service=service, region="eu", reason="it is away")
        count = Count(requests=100 * self._read, errors=0, slow=0)
        return Totals(service=service, region="eu", at=datetime.now(UTC), epoch="two", arms={"v1": count})

    async def history(self, service: str, slow_ms: float | None, until: datetime) -> Sequence[WindowReading] | NoData:
        return NoData(service=service, region="eu", reason="a look does not ask for it")

    async def in_flight(self, service: str, release: str) -> int | NoData:
        return NoData(service=service, region="eu", reason="a look does not ask for it")


@pytest.mark.parametrize("readings", [0, 1, 3])
async def test_a_source_that_is_back_soon_is_seen(readings: int) -> None:
    window = await observe_window(Away(readings), CATALOG, "payments", 0.01)
    assert isinstance(window, Window)
    assert window.arms["v1"].requests == 100


async def test_one_that_stays_away_is_no_data_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "BACK_WITHIN", 0.1)
    window = await observe_window(Away(10_000), CATALOG, "payments", 0.01)
    assert window == NoData(service="payments", region="eu", reason="it is away")
