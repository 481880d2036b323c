"""Rolling a bad release back: whether its users are served again, how soon, and what it cost them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bench.load import Answer, failures
from bench.rollback_world import SLOW, SLOW_SHARE, Rollbacks
from deploy.demo.fleet import faults
from models.rollback import RollbackResult
from models.verdict import Finding, Verdict

FAULTS = tuple(fault for fault in faults.FAULTS if fault != "none")

TROUBLE = 20
"""Requests that fail or are slow before somebody rolls back."""

BAD = Verdict(finding=Finding.FAIL, sentence="it fails its users")


@dataclass(frozen=True)
class Case:
    """One strategy, with one fault. Times are Unix ones."""

    result: RollbackResult
    began: float
    ended: float
    answers: list[Answer]

    @property
    def contained(self) -> float:
        """From when on no request goes to the bad release; without end where it was not."""
        return self.result.contained_at.timestamp() if self.result.contained_at else math.inf

    @property
    def recovered(self) -> bool:
        afterwards = self._between(self.ended, math.inf)
        fast = _slow(afterwards) <= SLOW_SHARE * len(afterwards)
        return self.result.outcome == "done" and not failures(afterwards) and fast

    @property
    def failed_once_contained(self) -> int:
        return sum(failures(self._between(self.contained, math.inf)).values())

    def as_json(self) -> dict[str, Any]:
        """Requests are told by the time at which they set out."""
        contained = min(self.contained, self.ended)
        return {
            "recovered": self.recovered,
            "outcome": self.result.outcome,
            "sentence": self.result.sentence,
            "contained_s": round(contained - self.began, 2) if self.result.contained_at else None,
            "done_s": round(self.ended - self.began, 2),
            "requests": {
                "before": _counts(self._between(0, self.began)),
                "until_contained": _counts(self._between(self.began, contained)),
                "until_done": _counts(self._between(contained, self.ended)),
                "afterwards": _counts(self._between(self.ended, math.inf)),
            },
        }

    def _between(self, begin: float, end: float) -> list[Answer]:
        return [answer for answer in self.answers if begin <= answer.at < end]


async def roll_back(rollbacks: Rollbacks, strategy: str, fault: str) -> Case:
    await rollbacks.begin_with(strategy, "v2", fault)
    plan = await rollbacks.plan(strategy, "v2", "v1", BAD)
    async with rollbacks.users(strategy) as users:
        await users.meet_trouble(TROUBLE)
        began = time.time()
        rollback = await rollbacks.start(plan, hold_timeout=1)
        result = await rollback.result()
        ended = time.time()
        await users.answered_since(ended)
    return Case(result, began, ended, users.answers)


def _counts(answers: list[Answer]) -> dict[str, int]:
    return {"all": len(answers), "failed": sum(failures(answers).values()), "slow": _slow(answers)}


def _slow(answers: Iterable[Answer]) -> int:
    return sum(answer.seconds >= SLOW for answer in answers)
