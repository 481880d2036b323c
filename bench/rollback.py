"""Ways back under load: every strategy from a healthy release and from four kinds of bad ones, and what a stage costs.

Everything is real: platform agent, mesh control plane, Envoy, replicas, Temporal, and a pool as a process of its own.
Each rollback is a Rollback workflow with its strategy's own stages. Users send POST and GET requests all the time, and
until a hundred more to each service are answered after its end.

*Healthy*: v2 has no fault, and no request may fail, whatever the strategy. Canary reverse asks that its target is
better than what serves now, which a healthy release leaves nothing to be: it must hold, and aborted by a person it must
give the weights back. The stages of the others are timed, beside the same operations and checks called bare, in turns
and under the same load.

*Faults*: v2 of payments has one, its users have met it, and nothing protects them. In a staged rollback the ledger was
released with it and goes back too. A service has recovered when the rollback is done and those who ask after that are
all answered, and as fast as its objective says. What the users meet until then is told; how much that is, is the
strategy's choice: the more careful it is, the longer they meet the bad release.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.analytics.store import migrate, open_store
from bench import rollback_faults as faulty
from bench import rollback_healthy as healthy
from bench.load import failures
from bench.result import Benchmark, Check, Outcome, Progress, at_least, at_most, median
from bench.rollback_faults import Case
from bench.rollback_healthy import NoBetter, Times
from bench.rollback_world import CATALOG, RATE, STRATEGIES, Rollbacks
from workers.local.world import SmallWorld

MOST_ADDED_MS = 150.0
LEAST_RATE = 100.0
"""Requests a second to payments."""


async def measure(arguments: argparse.Namespace, folder: Path, progress: Progress) -> Outcome:
    world = SmallWorld(folder, CATALOG, ("payments", "ledger"))
    try:
        progress("starting a small world: agent, mesh, Envoy, Temporal, a pool, payments and ledger", now=True)
        await world.start_temporal()
        await world.start()
        store = open_store(world.store)
        migrate(store)
        store.close()
        await world.start_pool()
        await world.deploy(*((service, release) for release in ("v1", "v2") for service in ("ledger", "payments")))
        for service in ("ledger", "payments"):
            await world.serve(service, "v1")
        client = await Client.connect(world.temporal, data_converter=pydantic_data_converter)
        rollbacks = Rollbacks(world, client, arguments.rate)
        times = await _healthy(rollbacks, arguments.times, progress)
        progress(f"healthy, {healthy.NO_BETTER}", now=True)
        no_better = await healthy.no_better(rollbacks)
        cases = await _faults(rollbacks, arguments.faults, progress)
    finally:
        world.stop()
    return _outcome(times, no_better, cases, arguments.times)


async def _healthy(rollbacks: Rollbacks, rounds: int, progress: Progress) -> dict[str, Times]:
    times = {strategy: Times() for strategy in healthy.ANY_RELEASE}
    for number in range(1, rounds + 1):
        for strategy, of_strategy in times.items():
            await healthy.back_and_forth(rollbacks, strategy, of_strategy)
            so_far = f"{len(of_strategy.answers)} requests, failed {failures(of_strategy.answers) or 'none'}"
            progress(f"healthy, {strategy}, {number} of {rounds}: {so_far}", now=True)
    return times


async def _faults(rollbacks: Rollbacks, faults: list[str], progress: Progress) -> dict[str, dict[str, Case]]:
    cases: dict[str, dict[str, Case]] = {}
    for fault in faults:
        cases[fault] = {}
        for strategy in STRATEGIES:
            case = cases[fault][strategy] = await faulty.roll_back(rollbacks, strategy, fault)
            end = "recovered" if case.recovered else f"NOT RECOVERED, {case.result.outcome}: {case.result.sentence}"
            progress(f"{fault}, {strategy}: {end} ({case.ended - case.began:.1f} s)", now=True)
    return cases


def _outcome(times: dict[str, Times], no_better: NoBetter, cases: dict[str, dict[str, Case]], rounds: int) -> Outcome:
    added = [milliseconds for of_strategy in times.values() for milliseconds in of_strategy.added]
    results = {
        "healthy": {strategy: of_strategy.as_json() for strategy, of_strategy in times.items()}
        | {healthy.NO_BETTER: no_better.as_json()},
        "faults": {
            fault: {strategy: case.as_json() for strategy, case in of_fault.items()}
            for fault, of_fault in cases.items()
        },
    }
    slowest = min(rate for of_strategy in times.values() for rate in of_strategy.rates)
    checks: list[Check] = [at_least("requests a second", round(slowest, 1), LEAST_RATE)]
    for strategy, of_strategy in times.items():
        failed = sum(failures(of_strategy.answers).values())
        checks.append(at_most(f"healthy, {strategy}: failed requests", failed, 0))
        done = len(of_strategy.seconds) - len(of_strategy.unfinished)
        checks.append(at_least(f"healthy, {strategy}: rollbacks that were done", done, rounds))
    failed = sum(failures(no_better.answers).values())
    checks.append(at_most(f"healthy, {healthy.NO_BETTER}: failed requests", failed, 0))
    checks.append(
        at_least(f"healthy, {healthy.NO_BETTER}: held, and took its share back", int(no_better.as_it_should), 1)
    )
    for fault, of_fault in cases.items():
        recovered = sum(case.recovered for case in of_fault.values())
        checks.append(at_least(f"{fault}: strategies that recovered", recovered, len(STRATEGIES)))
        failed = sum(case.failed_once_contained for case in of_fault.values())
        checks.append(at_most(f"{fault}: requests that failed once it was contained", failed, 0))
    checks.append(at_most("median that a stage takes longer than bare, in ms", round(median(added), 1), MOST_ADDED_MS))
    return Outcome(results, tuple(checks))


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--times", type=int, default=3, help="rollbacks of a healthy release, of each kind (default: 3)"
    )
    parser.add_argument("--rate", type=float, default=RATE, help=f"requests a second to payments (default: {RATE:g})")
    parser.add_argument("--faults", nargs="*", choices=faulty.FAULTS, default=faulty.FAULTS, help="default: all")


if __name__ == "__main__":
    Benchmark("rollback", "Every strategy under load, from healthy and from bad releases.", measure, _options).main()
