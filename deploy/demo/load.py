"""Users of the demo: requests arrive at a fixed rate whatever becomes of those before, as real users' do.

A generator that waited for answers would slow down with the service and hide its trouble. Every request has a deadline,
is counted once, and is never sent twice.

    python -m deploy.demo.load --target eu=http://127.0.0.1:9000 --target us=http://127.0.0.2:9000 --rate 20

writes one JSON line a second and region, and on SIGTERM or SIGINT, after the last answer, a line with the totals.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

import uvloop

from deploy.demo.fleet.client import Broken, Pool

DEADLINE = 3.0
"""Seconds that a user waits."""
BROWSE_EVERY = 4
"""Each fourth request browses, the others check out: the whole chain."""


@dataclass(frozen=True)
class Second:
    """What one second brought to one region. Answers are counted when they come, *sent* when they set out."""

    at: float
    """Unix time at its end."""
    region: str
    sent: int
    ok: int
    failed: int
    p50_ms: float | None
    """Of the answers of this second, failed ones included; none where there were none."""
    p99_ms: float | None
    in_flight: int
    failures_by_status: dict[str, int]
    """By HTTP status, ``timeout`` or ``broken``."""
    last_failure_sent_at: float | None
    """When the latest of all requests that have failed so far was sent: after it, none failed."""


@dataclass
class Totals:
    sent: int = 0
    ok: int = 0
    failed: int = 0
    failures_by_status: dict[str, int] = field(default_factory=dict[str, int])
    last_failure_sent_at: float | None = None


class Users:
    """The users of one region: their arrivals, and what became of them."""

    def __init__(self, region: str, url: str, rate: float) -> None:
        """*rate*: arrivals a second. *url*: of the first service at the region's Envoy."""
        self.region, self.totals = region, Totals()
        self._pool, self._rate = Pool(url), rate
        self._flying: set[asyncio.Task[None]] = set()
        self._latencies: list[float] = []
        self._before = Totals()

    async def arrive(self, stop: asyncio.Event) -> None:
        """Send at the rate until *stop*, then wait for every answer. A late tick sends what fell due meanwhile."""
        start = time.monotonic()
        while not stop.is_set():
            due = int((time.monotonic() - start) * self._rate) + 1
            for number in range(self.totals.sent, due):
                self._send(number)
            pause = start + due / self._rate - time.monotonic()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, pause)):
                    await stop.wait()
        await asyncio.gather(*self._flying)
        self._pool.close()

    def second(self) -> Second:
        """What there was since the last call."""
        now, before = self.totals, self._before
        latencies, self._latencies = sorted(self._latencies), []
        self._before = Totals(now.sent, now.ok, now.failed, dict(now.failures_by_status))
        return Second(
            at=round(time.time(), 3),
            region=self.region,
            sent=now.sent - before.sent,
            ok=now.ok - before.ok,
            failed=now.failed - before.failed,
            p50_ms=_percentile(latencies, 0.5),
            p99_ms=_percentile(latencies, 0.99),
            in_flight=len(self._flying),
            failures_by_status=dict(Counter(now.failures_by_status) - Counter(before.failures_by_status)),
            last_failure_sent_at=now.last_failure_sent_at,
        )

    def _send(self, number: int) -> None:
        self.totals.sent += 1
        task = asyncio.create_task(self._request(number))
        self._flying.add(task)
        task.add_done_callback(self._flying.discard)

    async def _request(self, number: int) -> None:
        method, path = ("GET", "/browse") if number % BROWSE_EVERY == 0 else ("POST", "/checkout")
        sent_at, began = time.time(), time.monotonic()
        try:
            status, _ = await self._pool.request(method, path, DEADLINE)
            outcome = str(status)
        except TimeoutError:
            outcome = "timeout"
        except Broken:
            outcome = "broken"
        self._latencies.append(time.monotonic() - began)
        if outcome.startswith("2"):
            self.totals.ok += 1
            return
        self.totals.failed += 1
        self.totals.failures_by_status[outcome] = self.totals.failures_by_status.get(outcome, 0) + 1
        self.totals.last_failure_sent_at = max(sent_at, self.totals.last_failure_sent_at or sent_at)


async def load(targets: Mapping[str, str], rate: float, output: TextIO, stop: asyncio.Event) -> dict[str, Totals]:
    """Send *rate* requests a second to each region of *targets* (region to URL) until *stop*; the totals by region.

    Writes a :class:`Second` a region and second to *output*, and ``{"totals": …}`` as the last line.
    """
    crowds = [Users(region, url, rate) for region, url in targets.items()]
    arriving = asyncio.gather(*(users.arrive(stop) for users in crowds))
    while not arriving.done():
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.shield(arriving)
        for users in crowds:
            print(json.dumps(asdict(users.second())), file=output, flush=True)
    await arriving
    totals = {users.region: users.totals for users in crowds}
    print(json.dumps({"totals": {region: asdict(total) for region, total in totals.items()}}), file=output, flush=True)
    return totals


def _percentile(ordered: list[float], share: float) -> float | None:
    """Milliseconds; the nearest rank."""
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 2)


async def _run(targets: Mapping[str, str], rate: float, output: TextIO) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await load(targets, rate, output, stop)


def main() -> None:
    parser = argparse.ArgumentParser(description="Open-loop load for the demo's fleet.")
    parser.add_argument("--target", action="append", required=True, help="REGION=URL of the portal at its Envoy")
    parser.add_argument("--rate", type=float, default=20, help="arrivals a second in each region (default: 20)")
    parser.add_argument("--output", type=Path, help="file for the lines; default: standard output")
    arguments = parser.parse_args()
    targets = dict(target.partition("=")[::2] for target in arguments.target)
    if not all(targets.values()) or arguments.rate <= 0:
        parser.error("each --target reads REGION=URL, and --rate is more than 0")
    output: TextIO = arguments.output.open("w") if arguments.output else sys.stdout
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(targets, arguments.rate, output))


if __name__ == "__main__":
    main()
