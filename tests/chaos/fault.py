"""What may happen at a point: a part is killed, a call meets a mishap, or the ground under a part gives way."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

import psycopg

from activities.analytics.contract import COMPARE
from tests.chaos import clock
from tests.chaos.point import Point
from tests.chaos.wire import Mishap, MishapKind
from tests.chaos.world import PARTS, ChaosWorld

Strike = Callable[[ChaosWorld, Point], Awaitable[None]]
Word = Literal["retry", "abort"]

LOCKED = 6.0
"""Seconds for which somebody else holds the store's tables: longer than a write waits for them."""

HOUR = 3600

DOWN = 12.0
"""Seconds without a store: longer than an undisturbed incident takes."""

FULL = 4.0
"""Seconds for which a disk has no room."""


@dataclass(frozen=True)
class Fault:
    name: str
    applies: Callable[[Point], bool]
    strike: Strike
    """While everything that comes to the point stands still there."""
    at_hold: Word = "retry"
    """What a person says to an incident that is held because of it."""
    ends: str = "resolved"
    """The phase in which an incident ends that nobody has aborted before."""
    loses_answers: bool = False
    """Receipts may not have come to the journal."""
    clock_of: str | None = None
    """The part whose clock jumps."""
    available: bool = True
    """False where this machine lacks what it needs: then its cases are left out, and the report says so."""


def everywhere(point: Point) -> bool:
    """But for calls that have not arrived: nothing is different then from the begin of their activity."""
    return not (point.part == "wire" and " is asked to " in point.name)


def before_a_change(point: Point) -> bool:
    """A call that changes something is on its way and has not arrived."""
    return point.part == "wire" and "is asked to change" in point.name


def after_a_change(point: Point) -> bool:
    """It has taken effect, and nobody knows yet."""
    return point.part == "wire" and "was asked to change" in point.name


def at_a_boundary(point: Point) -> bool:
    """Before or after a change, or where a release is held against those that serve beside it."""
    return before_a_change(point) or after_a_change(point) or (point.part == "pool" and COMPARE.name in point.name)


def before_a_call(point: Point) -> bool:
    """Of a change, an undoing or a lease."""
    return point.part == "wire" and " is asked to " in point.name


def kill(part: str) -> Fault:
    async def strike(world: ChaosWorld, _point: Point) -> None:
        await world.kill(part)

    return Fault(f"kill -9 {part}", everywhere, strike)


def _strike_call(kind: MishapKind) -> Strike:
    async def strike(world: ChaosWorld, point: Point) -> None:
        name, _, call = point.name.partition(" is asked to ")
        world.wires[name].mishaps.append(Mishap(call, kind))

    return strike


def once(kind: MishapKind) -> Fault:
    """The call befalls it one time, and its repetition goes through."""
    return Fault(f"call {kind}", before_a_call, _strike_call(kind))


def for_good(kind: MishapKind) -> Fault:
    """Every repetition befalls it too, so that the stage fails; a person aborts what is held then."""
    return Fault(f"call {kind}", before_a_change, _strike_call(kind), "abort", "aborted", loses_answers=True)


async def _meddle(world: ChaosWorld, point: Point) -> None:
    """What the step has made so is not ours any more when it is taken back."""
    part, _, call = point.name.partition(" was asked to ")
    world.wires[part].mishaps.append(Mishap(call, "answer lost"))
    await world.meddle(point.step or "")


async def _fill_disk(world: ChaosWorld, part: str) -> None:
    """No file of the part may grow; afterwards there is room again."""
    limited = world.processes.pid(part)
    resource.prlimit(limited, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def room() -> None:
        with suppress(ProcessLookupError):
            resource.prlimit(limited, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    world.later(FULL, room)


def full_disk(part: str) -> Fault:
    async def strike(world: ChaosWorld, _point: Point) -> None:
        await _fill_disk(world, part)

    def applies(point: Point) -> bool:
        return before_a_call(point) and point.name.startswith(part)

    return Fault(f"full disk at the {part}", applies, strike)


async def _kill_one(world: ChaosWorld, point: Point) -> None:
    """Only the process that has come to the point; its supervisor replaces it, and the others of the pool go on."""
    with suppress(ProcessLookupError):
        os.kill(world.standing[point], signal.SIGKILL)


async def _stop_store(world: ChaosWorld, _point: Point) -> None:
    await world.kill_store(DOWN)


async def _lock_store(world: ChaosWorld, _point: Point) -> None:
    def hold() -> psycopg.Connection[object]:
        somebody = psycopg.connect(world.store, autocommit=False)
        somebody.execute("LOCK TABLE events, alerts, deliveries IN ACCESS EXCLUSIVE MODE")
        return somebody

    somebody = await asyncio.to_thread(hold)
    world.later(LOCKED, somebody.close)


async def _second_delivery(world: ChaosWorld, _point: Point) -> None:
    await world.same_alert_at_a_second_gateway()


async def _cancel(world: ChaosWorld, _point: Point) -> None:
    await world.cancel()


def jumping_clock(part: str, seconds: int) -> Fault:
    async def strike(world: ChaosWorld, _point: Point) -> None:
        assert clock.offset(part, world.folder) == 0, "it has jumped already"
        clock.set_clock(part, world.folder, seconds)

    name = f"clock of the {part} jumps {seconds:+d} s"
    return Fault(name, before_a_call, strike, clock_of=part, available=clock.LIBRARY is not None)


def in_the_pool(point: Point) -> bool:
    return point.part == "pool"


def at_the_intake(point: Point) -> bool:
    """Not where a person's word has come: its incident may have ended before another gateway has started."""
    return point.part == "gateway" and not point.name.startswith("update ")


CANCELLED = Fault("cancelled in Temporal", at_a_boundary, _cancel, ends="aborted")

FAULTS: tuple[Fault, ...] = (
    *(kill(part) for part in PARTS),
    Fault("kill -9 one process of the pool", in_the_pool, _kill_one),
    for_good("refused"),
    for_good("answer lost"),
    for_good("delivered after its undoing"),
    Fault("somebody else changes it, and the answer is lost", after_a_change, _meddle, "abort", "held", True),
    once("answered late"),
    once("sent twice"),
    once("sent late"),
    full_disk("mesh"),
    full_disk("agent"),
    Fault("store down for a while", before_a_call, _stop_store),
    Fault("locked store", before_a_call, _lock_store),
    *(jumping_clock(part, seconds) for part in clock.FAKED for seconds in (-HOUR, HOUR)),
    Fault("same delivery at a second gateway", at_the_intake, _second_delivery),
    CANCELLED,
)

AT_BOUNDARIES: tuple[Fault, ...] = (
    *(replace(kill(part), applies=at_a_boundary) for part in ("pool", "mesh", "temporal")),
    for_good("refused"),
    for_good("answer lost"),
    CANCELLED,
)
"""What may happen at the boundaries of a strategy's stages; at which other points is the same with every strategy."""
