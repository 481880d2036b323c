"""``python -m tests.chaos``: run the matrix, or as much of it as there is time for. See docs/explanation/guarantees.md.

Whatever the seed, the beginning of the list covers every fault and every point; what was left out is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.case import IN_NO_CASE, SCENARIOS, Case, contracts, generate, in_order
from tests.chaos.report import Report
from tests.chaos.run import Result, run_case, trace
from tests.chaos.world import ChaosWorld, Picture

EXAMPLES = """examples:
  python -m tests.chaos --minutes 20 --seed 7
  python -m tests.chaos --list
  python -m tests.chaos --only 'kill -9 mesh | pool: mesh.change'
  python -m tests.chaos --full --report docs/reference/chaos.md
"""


TIMES = 3


@dataclass
class Matrix:
    """What is to be run, and what has been."""

    worlds: int
    seed: int
    only: str
    deadline: float
    logs: Path
    cases: list[Case] = field(default_factory=list)
    impossible: list[Case] = field(default_factory=list)
    unexplained: tuple[str, ...] = ()
    recovered: dict[str, Picture] = field(default_factory=dict)
    """What an undisturbed rollback leaves behind, by strategy."""
    results: list[tuple[Case, Result]] = field(default_factory=list)
    _numbers: int = 0

    async def run(self) -> None:
        with tempfile.TemporaryDirectory(prefix="sternway-chaos-") as folder:
            async with asyncio.TaskGroup() as worlds:
                ready = asyncio.Event()
                for number in range(self.worlds):
                    worlds.create_task(self._work(Path(folder), number, ready))

    async def discover(self, world: ChaosWorld) -> None:
        """Listen to an undisturbed run of every scenario: what it comes to are the points of the matrix."""
        cases: list[Case] = []
        for scenario in SCENARIOS:
            say(f"listening to an undisturbed run: {scenario.name}")
            points, left = await trace(world, scenario, f"undisturbed-{scenario.name}")
            if scenario.after is None:
                self.recovered[scenario.subject.strategy] = left
            cases += generate(scenario, points)
        wanted = [part.strip() for part in self.only.split("|")]
        chosen = [case for case in cases if all(part in str(case) for part in wanted)]
        self.cases = in_order((case for case in chosen if case.fault.available), self.seed)
        self.impossible = [case for case in chosen if not case.fault.available]
        met = " ".join({case.point.name for case in cases})
        missing = [name for name in contracts() if f"{name} begins" not in met]
        self.unexplained = tuple(name for name in {*missing} ^ {*IN_NO_CASE})

    async def _work(self, folder: Path, number: int, ready: asyncio.Event) -> None:
        async with AsyncExitStack() as stack:
            world = await stack.enter_async_context(ChaosWorld(folder / f"world-{number}-0"))
            if number == 0:
                await self.discover(world)
                say(f"{len(self.cases)} cases; {self.worlds} worlds side by side")
                ready.set()
            await ready.wait()
            while (case := self._next()) is not None:
                result = await self._try(world, case)
                self._note(case, result)
                if result.came_to == "wrong":  # the next one must not meet what this one has left
                    self._keep_logs(world)
                    await stack.aclose()
                    fresh = folder / f"world-{number}-{len(self.results)}"
                    world = await stack.enter_async_context(ChaosWorld(fresh))

    async def _try(self, world: ChaosWorld, case: Case) -> Result:
        """Again where the point was not reached: a renewal or a batch may come earlier or later."""
        for _ in range(TIMES - 1):
            result = await self._once(world, case)
            if result.came_to != "not reached":
                return result
        return await self._once(world, case)

    async def _once(self, world: ChaosWorld, case: Case) -> Result:
        recovered = self.recovered[case.scenario.subject.strategy]
        return await run_case(world, case, recovered, f"case-{time.time_ns()}")

    def _keep_logs(self, world: ChaosWorld) -> None:
        kept = self.logs / f"{time.strftime('%H%M%S')}-case-{len(self.results)}"
        kept.mkdir(parents=True, exist_ok=True)
        for log in world.folder.glob("*.log"):
            shutil.copy(log, kept)

    def _next(self) -> Case | None:
        if self._numbers >= len(self.cases) or time.monotonic() > self.deadline:
            return None
        self._numbers += 1
        return self.cases[self._numbers - 1]

    def _note(self, case: Case, result: Result) -> None:
        self.results.append((case, result))
        say(f"{len(self.results)} of {len(self.cases)}  {result.came_to:<11} {result.seconds:5.1f} s  {case}")
        for line in (*(f"held: {hold}" for hold in result.holds), *(f"WRONG: {wrong}" for wrong in result.wrongs)):
            say(f"      {line}")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def machine() -> str:
    return f"{os.cpu_count()} processors {platform.machine()}, Python {platform.python_version()}"


def revision() -> str:
    found = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Kill and hinder every part of Sternway at every point of an incident, and look at what is left.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--full", action="store_true", help="everything, however long it takes")
    parser.add_argument("--minutes", type=float, default=20, help="begin no case after these (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="which sample (default: 1)")
    parser.add_argument("--only", default="", metavar="TEXT|TEXT", help="cases whose line holds all of these texts")
    parser.add_argument("--worlds", type=int, default=2, help="worlds side by side (default: 2)")
    parser.add_argument("--list", action="store_true", help="print the cases in their order and run none")
    kept = "keep the logs of every part here for each case that is wrong (default: .sternway/chaos)"
    parser.add_argument("--logs", type=Path, default=Path(".sternway/chaos"), help=kept)
    parser.add_argument("--report", type=Path, help="write the report to this file")
    return parser.parse_args()


async def listed(matrix: Matrix) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="sternway-chaos-") as folder:
        async with ChaosWorld(Path(folder) / "world") as world:
            await matrix.discover(world)
    return map(str, matrix.cases)


def main() -> int:
    asked = arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a clean stop, as with Ctrl-C
    began, clock = datetime.now(UTC), time.monotonic()
    deadline = float("inf") if asked.full else clock + 60 * asked.minutes
    matrix = Matrix(asked.worlds, asked.seed, asked.only, deadline, asked.logs)
    try:
        if asked.list:
            print("\n".join(asyncio.run(listed(matrix))))
            return 0
        asyncio.run(matrix.run())
    except KeyboardInterrupt:
        say("stopped")
        if not matrix.results:
            return 130
    done = {id(case) for case, _ in matrix.results}
    report = Report(
        began=began,
        seconds=time.monotonic() - clock,
        seed=asked.seed,
        machine=machine(),
        revision=revision(),
        results=tuple(matrix.results),
        left_out=tuple(case for case in (*matrix.cases, *matrix.impossible) if id(case) not in done),
        unexplained=matrix.unexplained,
    )
    if asked.report:
        asked.report.write_text(report.markdown())
    for line in report.lines_of_left_out():
        say(f"left out: {line}")
    for case, result in report.wrong:
        say(f"WRONG: {case}: {'; '.join(result.wrongs)}")
        say(f"       again: python -m tests.chaos --only '{case}'")
    for case in report.not_reached:
        say(f"WRONG: not reached: {case}")
    for name in report.unexplained:
        say(f"WRONG: {name}: either a scenario comes to it, or IN_NO_CASE in tests/chaos/case.py says why none does")
    print(report.summary)
    failed = report.wrong or report.not_reached or report.unexplained or report.untried() or not report.passed
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
