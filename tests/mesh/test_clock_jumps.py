"""A wall clock that jumps neither lifts protection that is in force nor keeps any longer than it was given."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from ulid import ULID

from models.catalog import FallbackAction
from models.lease import Lease, LeaseRequest
from tests.mesh.load import ask
from tests.mesh.stage import Stage
from tests.waiting import until

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
DAY = 86400

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not LIBRARIES, reason="needs Debian's faketime, which sets a process's clock"),
]


class Clock:
    """The wall clock of the control plane; its monotonic one is not touched, as by a real jump."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: int) -> None:
        """As many seconds ahead of the machine's. Replaced as a whole: it is read at every look at the clock."""
        draft = self._file.with_suffix(".draft")
        draft.write_text(f"{seconds:+d}s")
        draft.replace(self._file)


@pytest_asyncio.fixture(loop_scope="module")
async def clock(stage: Stage, tmp_path: Path) -> AsyncIterator[Clock]:
    clock = Clock(tmp_path / "clock")
    stage.clock = clock.environment
    stage.stop("plane")
    stage.start("plane")
    await stage.settled()
    yield clock
    stage.clock = {}
    stage.stop("plane")
    stage.start("plane")
    await stage.settled()


async def take(stage: Stage, seconds: float) -> Lease:
    request = LeaseRequest(
        id=str(ULID()), owner="01OWNER", service="payments", protection=FallbackAction(share=100), seconds=seconds
    )
    return await stage.protector.take(request)


def off(lease: Lease) -> float:
    """Seconds by which the control plane's clock is ahead, as its answer for a lease of a minute shows."""
    return lease.expires_at.timestamp() - 60 - time.time()


async def lifted(stage: Stage) -> bool:
    return await stage.answering() and not stage.status["leases"] and await ask(stage.port) == "200 v1"


async def test_a_jump_forward_lifts_nothing_before_its_time(stage: Stage, clock: Clock) -> None:
    lease = await take(stage, 60)
    clock.set(DAY)
    # A change of the leases is what makes the control plane send the proxies their ends anew.
    other = await take(stage, 60)
    assert abs(off(other) - DAY) < 30, "the control plane sees the jump"
    await stage.protector.release(other.id)
    await stage.settled()
    assert [held["id"] for held in stage.status["leases"]] == [lease.id]
    assert await ask(stage.port) == "200 c1"
    assert (await stage.protector.renew(lease.id, 1)).active
    await until(lambda: lifted(stage), 8, "what is renewed after the jump lapses in its time")


async def test_a_jump_back_keeps_nothing_for_longer(stage: Stage, clock: Clock) -> None:
    await take(stage, 2)
    clock.set(-DAY)
    other = await take(stage, 60)
    assert abs(off(other) + DAY) < 30, "the control plane sees the jump"
    await stage.protector.release(other.id)
    await until(lambda: lifted(stage), 8, "the lease of two seconds has lapsed")


async def test_a_jump_back_while_there_was_no_control_plane_keeps_nothing_for_longer(
    stage: Stage, clock: Clock
) -> None:
    lease = await take(stage, 4)
    stage.stop("plane")
    clock.set(-DAY)
    stage.start("plane")
    await until(stage.answering, 10, "the control plane answers")
    found = [Lease.model_validate(held) for held in stage.status["leases"]]
    assert all(held.expires_at < lease.expires_at for held in found), "it is not believed to have a day left"
    await until(lambda: lifted(stage), 12, "the lease has lapsed by itself")
