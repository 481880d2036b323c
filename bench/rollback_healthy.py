"""Rolling a healthy release back: no request may fail, and each stage is timed beside its floor."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from activities.rollback.contract import DECIDE
from activities.rollback.strategies import canary_reverse
from bench.history import activities, events
from bench.load import Answer, failures
from bench.result import median
from bench.rollback_stages import as_run, bare
from bench.rollback_world import STRATEGIES, Rollbacks
from models.rollback import Control
from models.verdict import Finding, Verdict
from workers.local.readiness import until
from workflows.rollback import RollbackWorkflow

NO_BETTER = canary_reverse.NAME
"""The strategy that asks for a target that is better."""

ANY_RELEASE = tuple(strategy for strategy in STRATEGIES if strategy != NO_BETTER)
"""Those by which a healthy release goes back."""

HEALTHY = Verdict(finding=Finding.PASS, sentence="it is healthy")
UNKNOWN = Verdict(finding=Finding.INCONCLUSIVE, sentence="nothing is known of it")
"""A person must decide then; a release that was measured healthy gets its share back without one."""

HELD_WITHIN = 60.0
"""Seconds: the canary's whole time, and some."""


@dataclass
class Times:
    """What one strategy came to, each time."""

    answers: list[Answer] = field(default_factory=list)
    bare_answers: list[Answer] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    stages: defaultdict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    """By stage, seconds as it ran and bare."""

    @property
    def added(self) -> list[float]:
        """Milliseconds, of each stage each time."""
        return [(ran - floor) * 1000 for pairs in self.stages.values() for ran, floor in pairs]

    def as_json(self) -> dict[str, Any]:
        return {
            "requests": len(self.answers),
            "failed": failures(self.answers),
            "failed_while_bare": failures(self.bare_answers),
            "unfinished": self.unfinished,
            "requests_a_second": round(median(self.rates), 1),
            "seconds": round(median(self.seconds), 2),
            "stages": {
                stage: {
                    "ms": _milliseconds([ran for ran, _ in pairs]),
                    "floor_ms": _milliseconds([floor for _, floor in pairs]),
                    "added_ms": _milliseconds([ran - floor for ran, floor in pairs]),
                }
                for stage, pairs in self.stages.items()
            },
        }


async def back_and_forth(rollbacks: Rollbacks, strategy: str, times: Times) -> None:
    """From v2 to v1 by a workflow, and from v1 to v2 bare: both releases are the same program."""
    await rollbacks.begin_with(strategy, "v2")
    plan = await rollbacks.plan(strategy, "v2", "v1", HEALTHY)
    async with rollbacks.users(strategy) as users:
        began = time.time()
        rollback = await rollbacks.start(plan, hold_timeout=5)
        result = await rollback.result()
        times.seconds.append(time.time() - began)
        await users.answered_since(time.time())
    times.answers += users.answers
    times.rates.append(users.rate)
    if result.outcome != "done":
        times.unfinished.append(f"{result.outcome}: {result.sentence}")
        return
    ran = as_run(plan, activities(await events(rollback)))

    await rollbacks.begin_with(strategy, "v1")
    plan = await rollbacks.plan(strategy, "v1", "v2", HEALTHY)
    async with rollbacks.users(strategy) as users:
        await users.answered_since(time.time())
        floor = await bare(rollbacks.directory, plan, rollbacks.scope())
        await users.answered_since(time.time())
    times.bare_answers += users.answers
    for stage, seconds in ran.items():
        times.stages[stage].append((seconds, floor[stage]))


@dataclass(frozen=True)
class NoBetter:
    """A canary reverse from a healthy release: held, then aborted by a person."""

    held: bool
    outcome: str
    sentence: str
    weights: dict[str, int]
    """Afterwards."""
    answers: list[Answer]

    @property
    def as_it_should(self) -> bool:
        return self.held and self.outcome == "aborted" and self.weights == {"v2": 100}

    def as_json(self) -> dict[str, Any]:
        return {
            "held": self.held,
            "then": self.sentence,
            "weights": self.weights,
            "requests": len(self.answers),
            "failed": failures(self.answers),
        }


async def no_better(rollbacks: Rollbacks) -> NoBetter:
    await rollbacks.begin_with(NO_BETTER, "v2")
    plan = await rollbacks.plan(NO_BETTER, "v2", "v1", UNKNOWN)
    async with rollbacks.users(NO_BETTER) as users:
        rollback = await rollbacks.start(plan, hold_timeout=HELD_WITHIN)

        async def decided() -> bool:
            return any(activity.name == DECIDE.name for activity in activities(await events(rollback)))

        await until(decided, HELD_WITHIN, "the canary has shown nothing")
        on_canary = await rollbacks.weights()
        await rollback.signal(RollbackWorkflow.control, Control(action="abort", by="bench", reason="it is no better"))
        result = await rollback.result()
        await users.answered_since(time.time())
    held = on_canary == {"v1": canary_reverse.CANARY, "v2": 100 - canary_reverse.CANARY}
    return NoBetter(held, result.outcome, result.sentence, await rollbacks.weights(), users.answers)


def _milliseconds(seconds: list[float]) -> float:
    """Their median."""
    return round(median(seconds) * 1000, 1)
