"""The predictor's pool measures real traffic by its schedule, and a kill costs no more than an interval."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest_asyncio

from activities.analytics.store import open_store, ticks
from activities.analytics.store.ticks import Tick
from activities.predictor.samples import METRICS
from tests.waiting import until
from tests.world.world import CATALOG, World

INTERVAL = 5
WITHIN = 60


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World]:
    """With Temporal, a gateway, the region's pool, and the predictor's."""
    world = World(tmp_path, f"{CATALOG}\nprediction: {{interval: {INTERVAL}, horizon: 60}}\n")
    try:
        await world.start()
        await world.serve("payments", "v1")
        await world.start_temporal()
        await world.start_gateway()
        await world.start_pool()
        world.start_part("predictor", "predict", "pool", "--region", "eu")
        yield world
    finally:
        world.stop()


def kept(world: World) -> list[Tick]:
    store = open_store(world.store)
    try:
        return ticks.ticks(store, "eu", INTERVAL, 0, 1000)
    finally:
        store.close()


async def measured(world: World, more_than: int) -> list[Tick]:
    return await until(lambda: found if len(found := kept(world)) > more_than else None, WITHIN, "intervals are kept")


async def test_real_traffic_is_measured_each_interval_and_a_kill_costs_no_more_than_that(world: World) -> None:
    async with world.users():
        before = await measured(world, 2)
        process = next(
            child
            for child in psutil.Process(world.processes.pid("predictor")).children()
            if "workers.pool" in " ".join(child.cmdline())
        )
        os.kill(process.pid, signal.SIGKILL)
        after = await measured(world, len(before) + 2)
    rate, errors = (METRICS.index(name) + 1 for name in ("requests_per_second", "error_share"))
    samples = [sample for tick in after[2:] if isinstance(sample := tick.samples["payments"], tuple)]
    assert samples, [tick.samples for tick in after]
    assert all((sample[rate] or 0) > 1 and sample[errors] == 0 for sample in samples[1:]), samples
    assert all(earlier.number < later.number for earlier, later in pairwise(after))
    assert max(later.number - earlier.number for earlier, later in pairwise(after)) * INTERVAL < 30
    shown = show(world)
    assert shown["model"] is None
    assert set(shown["regions"]["eu"]["samples"]) == {"payments", "ledger"}


def show(world: World) -> dict[str, Any]:
    command = [sys.executable, "-m", "workers.cli", "predict", "show", "--json"]
    printed = subprocess.run(command, env=world.environment, capture_output=True, text=True, check=True).stdout
    return json.loads(printed)
