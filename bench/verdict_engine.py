"""One made-up run through the engine itself, window by window, as production would."""

from __future__ import annotations

from activities.analytics.comparison import Comparison, judge
from activities.analytics.overdispersion import overdispersion
from bench.verdict_judges import NEVER
from bench.verdict_traffic import WINDOW, WINDOWS, Arm, Traffic
from models.catalog import Availability, Latency, Slos
from models.stage import Compare
from models.telemetry import Count, Window
from models.verdict import Finding, Need

LEAST_REQUESTS = 50
"""In each arm: the policy's default."""

GATE = Compare(release="v1", need=Need.BETTER, seconds=WINDOW * WINDOWS, extension=0, min_requests=LEAST_REQUESTS)

SLOS = Slos(availability=Availability(objective=99), latency=Latency(objective=95, threshold_ms=250))


def judged_by_the_engine(made: Traffic, run: int, history: bool) -> tuple[int, int]:
    """The windows after which one run fails, and passes as better, for the first time; NEVER where it does not."""
    before = [_window({"v1": _count(made.history, run, at)}) for at in range(WINDOWS)] if history else []
    comparison = Comparison.begin("v1", SLOS, overdispersion(before, SLOS))
    firsts: dict[Finding, int] = {}
    for at in range(WINDOWS):
        arms = {"v1": _count(made.target, run, at), "v2": _count(made.baseline, run, at)}
        comparison = comparison.after(_window(arms))
        firsts.setdefault(judge(comparison, GATE).finding, at + 1)
    return firsts.get(Finding.FAIL, NEVER), firsts.get(Finding.PASS, NEVER)


def _count(arm: Arm, run: int, at: int) -> Count:
    return Count(requests=int(arm.requests[run, at]), errors=int(arm.errors[run, at]), slow=int(arm.slow[run, at]))


def _window(arms: dict[str, Count]) -> Window:
    return Window(service="payments", region="eu", seconds=WINDOW, arms=arms)
