"""What can be wrong with release v2 of payments. Each fault is real: memory is taken, processes end, time passes."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable

Fault = Callable[[], Awaitable[int]]
"""Called for each payment; the status to answer with."""

SHARE = 0.6
"""Of the payments that the faults ``errors`` and ``latency`` hit."""
LEAK_STEP = 1_500_000
LEAK_BOUND = 150_000_000
LEAK_SECONDS_PER_BYTE = 5e-9
"""50 MB cost 250 ms, the objective of the demo's catalog; the bound costs 750 ms."""
PAYMENTS_BEFORE_CRASH = 15


async def none() -> int:
    return 200


async def errors() -> int:
    """60% of the payments are answered 500."""
    return 500 if random.random() < SHARE else 200


async def latency() -> int:
    """60% of the payments take 0.8 to 1.5 seconds."""
    if random.random() < SHARE:
        await asyncio.sleep(random.uniform(0.8, 1.5))
    return 200


def leak() -> Fault:
    """Each payment keeps 1.5 MB for ever, up to 150 MB, and everything takes longer with it."""
    kept: list[bytes] = []

    async def pay() -> int:
        if len(kept) * LEAK_STEP < LEAK_BOUND:
            kept.append(b"x" * LEAK_STEP)
        await asyncio.sleep(len(kept) * LEAK_STEP * LEAK_SECONDS_PER_BYTE)
        return 200

    return pay


def crash() -> Fault:
    """The process ends without a word at its 15th payment or soon after."""
    last = PAYMENTS_BEFORE_CRASH + random.randrange(6)
    payments = 0

    async def pay() -> int:
        nonlocal payments
        payments += 1
        if payments >= last:
            os._exit(3)
        return 200

    return pay


FAULTS: dict[str, Callable[[], Fault]] = {
    "none": lambda: none,
    "errors": lambda: errors,
    "latency": lambda: latency,
    "leak": leak,
    "crash": crash,
}


def fault_of(service: str, release: str, name: str) -> Fault:
    """The fault that this replica has. Only v2 of payments ever has one."""
    if name not in FAULTS:
        raise SystemExit(f"FAULT={name} is unknown: choose one of {', '.join(FAULTS)}")
    return FAULTS[name]() if (service, release) == ("payments", "v2") else none
