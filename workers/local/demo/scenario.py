"""The main job of the demo: a bad release, from the alert to the verified recovery. Nothing here repairs anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from models.base import SternwayError
from workers.local.demo.fleet import Fleet
from workers.local.demo.stack import REGIONS, Stack
from workers.local.demo.story import Story
from workers.local.demo.tail import Tail

SERVICE, GOOD, BAD = "payments", "v1", "v2"

BASELINE_SECONDS = 4.0
"""Healthy traffic before the bad release, so that the watcher's windows are full."""

LOOK_SECONDS = 0.25
"""Between two looks at the load generator and the gateway."""

AFTER_SECONDS = 5.0
"""Traffic after the recovery was declared: none of it may fail."""

PATIENCE_SECONDS = 95.0
"""From the bad release to the end of its incidents; then the demo says what it saw."""


@dataclass(frozen=True)
class Run:
    """What one demo is to show."""

    fault: str
    rate: float


async def play(run: Run, stack: Stack, story: Story, redraw: Callable[[], None]) -> None:
    """Start everything, deploy the bad release, follow its incidents to their end. Raises SternwayError."""
    await stack.start_ground()
    fleet = Fleet(stack)
    try:
        await fleet.register(run.fault)
        story.say(f"starting six services in {len(REGIONS)} regions, release {GOOD}")
        await asyncio.gather(fleet.deploy_all(GOOD), stack.start_sternway())
        load = stack.start_load(run.rate)
        following = asyncio.create_task(_follow(stack, story, load, redraw))
        try:
            await _break_and_recover(run, stack, fleet, story)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        await _finish(stack, story, load)
    finally:
        await fleet.close()


async def _break_and_recover(run: Run, stack: Stack, fleet: Fleet, story: Story) -> None:
    stack.start_watcher()
    story.reach("fleet-ready", time.time())
    await asyncio.sleep(BASELINE_SECONDS)
    story.say(f"deploying {SERVICE} {BAD}, which is bad: {run.fault}")
    story.reach("deployed", time.time())
    await fleet.deploy(SERVICE, BAD, before=GOOD)
    await _until_over(stack, story)
    story.reach("recovered", time.time())
    await asyncio.sleep(AFTER_SECONDS)
    await asyncio.to_thread(stack.stop_load)
    story.reach("load-stopped", time.time())
    for region in REGIONS:
        story.routed(region, await fleet.weights(region, SERVICE))


async def _until_over(stack: Stack, story: Story) -> None:
    """Wait until an incident in each region has ended or is held."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not story.over(tuple(REGIONS)):
        stack.check()
        if time.monotonic() > deadline:
            raise SternwayError(f"not over within {PATIENCE_SECONDS:g} s; the logs are in {stack.folder}")
        await asyncio.sleep(0.1)


async def _follow(stack: Stack, story: Story, load: Path, redraw: Callable[[], None]) -> None:
    """Feed the story with what the load generator and the gateway say, and show it, until it is cancelled."""
    tail = Tail(load)
    async with _gateway(stack) as gateway:
        while True:
            _read_load(tail, story)
            await _ask(gateway, story)
            redraw()
            await asyncio.sleep(LOOK_SECONDS)


async def _finish(stack: Stack, story: Story, load: Path) -> None:
    """The load generator's last lines, and what the incidents came to."""
    _read_load(Tail(load), story)
    async with _gateway(stack) as gateway:
        await _ask(gateway, story)


def _read_load(tail: Tail, story: Story) -> None:
    for line in tail.lines():
        story.load(line)


async def _ask(gateway: httpx.AsyncClient, story: Story) -> None:
    """What the gateway knows of the incidents; a moment without an answer is nothing to report."""
    with suppress(httpx.HTTPError):
        listed: list[dict[str, Any]] = (await gateway.get("/v1/incidents")).raise_for_status().json()
        for row in listed:
            story.incident((await gateway.get(f"/v1/incidents/{row['id']}")).raise_for_status().json())


def _gateway(stack: Stack) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {stack.tokens.gateway}"}
    return httpx.AsyncClient(base_url=stack.gateway, headers=headers, timeout=2, trust_env=False)
