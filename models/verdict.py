"""A verdict on measured health: PASS, FAIL or INCONCLUSIVE, with its evidence as numbers and one sentence."""

from __future__ import annotations

from enum import StrEnum

from models.base import Frozen


class Finding(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Evidence(Frozen):
    """One metric held against its limit."""

    metric: str
    arm: str
    bad: int
    total: int
    limit: float
    """The largest acceptable share of bad events, 0 to 1."""


class Verdict(Frozen):
    finding: Finding
    sentence: str
    evidence: tuple[Evidence, ...] = ()

    @property
    def passed(self) -> bool:
        return self.finding is Finding.PASS
