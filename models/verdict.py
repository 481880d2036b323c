"""A verdict on measured health: PASS, FAIL or INCONCLUSIVE, with its evidence as numbers and one sentence."""

from __future__ import annotations

from enum import StrEnum

from models.base import Frozen


class Finding(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Need(StrEnum):
    """What a comparison must show before it passes. In both, harm that is shown in any metric fails."""

    BETTER = "better"
    """The target is better than what runs beside it in at least one metric."""
    NO_HARM = "no-harm"
    """The target meets its objectives, and nothing shows that it is worse than what runs beside it."""


class Compared(Frozen):
    """The arms beside the judged one, and what the comparison has shown; the logarithms are natural ones."""

    bad: int
    total: int
    log_e_harm: float
    """The highest so far."""
    log_e_improvement: float
    threshold: float
    """What either must reach to be shown: the logarithm of the number of metrics by the share of false alarms."""
    overdispersion: float
    """By which the evidence was divided, because events come in bursts; 1 where each is independent."""
    assumed: str = ""
    """Why the overdispersion is only assumed; empty where it was learned from the service's history."""

    @property
    def shows_harm(self) -> bool:
        return self.log_e_harm >= self.threshold

    @property
    def shows_improvement(self) -> bool:
        return self.log_e_improvement >= self.threshold


class Evidence(Frozen):
    """One metric held against its limit, and against the arms beside it where there were any."""

    metric: str
    arm: str
    bad: int
    total: int
    limit: float
    """The largest acceptable share of bad events, 0 to 1."""
    compared: Compared | None = None


class Verdict(Frozen):
    finding: Finding
    sentence: str
    evidence: tuple[Evidence, ...] = ()

    @property
    def passed(self) -> bool:
        return self.finding is Finding.PASS

    @property
    def shows_harm(self) -> bool:
        """Whether it failed beside others that did better; what only fails its objectives may be no worse than they."""
        beside = [evidence.compared for evidence in self.evidence if evidence.compared]
        return self.finding is Finding.FAIL and any(compared.shows_harm for compared in beside)
