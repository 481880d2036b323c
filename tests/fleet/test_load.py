"""The demo's users: they come at their rate whatever becomes of them, and each is counted once."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.demo.load import load
from tests.waiting import until

ROOT = Path(__file__).parents[2]


class Server:
    """Counts requests and answers the *n*-th as *behaviour* says: a status, None for closing, or silence for 0."""

    def __init__(self, *behaviour: int | None) -> None:
        self.behaviour, self.requests, self.paths = behaviour, 0, list[bytes]()

    async def __aenter__(self) -> Server:
        self.server = await asyncio.start_server(self.speak, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()

    async def speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                status = self.behaviour[self.requests % len(self.behaviour)]
                self.requests += 1
                self.paths.append(head.split(b" HTTP")[0])
                if status == 0:
                    await asyncio.sleep(60)
                if status is None:
                    break
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok".encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def spell(targets: dict[str, str], rate: float, seconds: float) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Load for so long; the totals, and the lines."""
    output, stop = io.StringIO(), asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, stop.set)
    await load(targets, rate, output, stop)
    *lines, last = [json.loads(line) for line in output.getvalue().splitlines()]
    return last["totals"], lines


async def test_every_request_is_counted_once_and_each_failure_by_its_kind() -> None:
    async with Server(200, 503, None, 202, 500) as server:
        totals, lines = await spell({"eu": server.url}, 100, 1.5)
    total = totals["eu"]
    assert total["sent"] == total["ok"] + total["failed"] == server.requests
    assert 140 <= total["sent"] <= 160
    assert total["failures_by_status"].keys() == {"503", "500", "broken"}
    assert sum(total["failures_by_status"].values()) == total["failed"]
    for figure in ("sent", "ok", "failed"):
        assert sum(line[figure] for line in lines) == total[figure]


async def test_arrivals_do_not_wait_for_answers_and_silence_ends_at_the_deadline() -> None:
    async with Server(0) as server:
        began = time.monotonic()
        totals, lines = await spell({"eu": server.url}, 40, 1.0)
    assert 38 <= totals["eu"]["sent"] == totals["eu"]["failed"] <= 43
    assert totals["eu"]["failures_by_status"] == {"timeout": totals["eu"]["sent"]}
    assert 3.5 < time.monotonic() - began < 6
    assert max(line["in_flight"] for line in lines) >= 38
    assert lines[-1]["in_flight"] == 0


async def test_regions_are_loaded_and_counted_apart() -> None:
    async with Server(200) as eu, Server(503) as us:
        totals, lines = await spell({"eu": eu.url, "us": us.url}, 50, 0.5)
    assert (totals["eu"]["failed"], totals["us"]["ok"]) == (0, 0)
    assert totals["eu"]["last_failure_sent_at"] is None
    assert totals["us"]["last_failure_sent_at"] == pytest.approx(time.time(), abs=5)
    assert {line["region"] for line in lines} == {"eu", "us"}
    assert set(eu.paths) == {b"GET /browse", b"POST /checkout"}


async def test_as_a_process_it_ends_cleanly_with_exact_totals(tmp_path: Path) -> None:
    lines = tmp_path / "load.jsonl"
    async with Server(200, 500) as server:
        options = ["--target", f"eu={server.url}", "--rate", "50", "--output", str(lines)]
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "deploy.demo.load", *options, cwd=ROOT)
        await until(lambda: lines.exists() and lines.read_text().count("\n") >= 2, 15, "two seconds of load")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    *seconds, last = [json.loads(line) for line in lines.read_text().splitlines()]
    total = last["totals"]["eu"]
    assert total["sent"] == total["ok"] + total["failed"] == server.requests
    assert total["failures_by_status"] == {"500": total["failed"]}
    assert seconds[0].keys() == {
        *("at", "region", "sent", "ok", "failed", "p50_ms", "p99_ms", "in_flight"),
        *("failures_by_status", "last_failure_sent_at"),
    }
