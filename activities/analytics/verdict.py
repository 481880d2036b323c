"""Verdicts on raw counts. Pure: a window and the objectives go in, PASS, FAIL or INCONCLUSIVE comes out.

The absolute verdict holds one arm against the service's own objectives. It is the weaker kind of evidence, because
nothing is compared: a dependency that fails, or a budget that was spent before, looks the same as a bad release. Its
sentence says so.

The rule, for each objective (availability: errors; latency: requests slower than its threshold):

- **PASS**: at least *min_requests*, and the observed share of bad ones is within the budget. One failure in 100
  requests is never within a budget of 0.1%.
- **FAIL**: at least :data:`FEWEST_BAD` bad ones, and so many would come up with a probability of at most
  :data:`ALPHA` (shared among the objectives, Bonferroni) if the service just met its objective: exact one-sided
  binomial test. The least number keeps one or two accidents among few requests from condemning a release.
- **INCONCLUSIVE**: everything else: no data, an arm that the telemetry does not have, too few requests, or more bad
  ones than the budget allows that may still be chance. That an arm had no request is known only where it is counted.

FAIL of one objective fails the whole; PASS needs every objective.
"""

from __future__ import annotations

import math

from activities.analytics.objectives import Objective, objectives
from models.catalog import Slos
from models.telemetry import Count, NoData, Window
from models.verdict import Evidence, Finding, Verdict

ALPHA = 0.01
FEWEST_BAD = 3

_WEAKER = "absolute objective, the weaker evidence"


def judge_absolute(window: Window | NoData, arm: str, slos: Slos, min_requests: int) -> Verdict:
    """Whether *arm* (a release, or the users) met the objectives inside *window*; see this module for the rule.

    *min_requests*: fewer are inconclusive; 0 where requests can only speak against the arm, and none is needed. An arm
    that is missing from the window is not seen, whatever it does, and so is inconclusive with 0 as well. The window's
    slow requests must have been counted with the threshold of ``slos.latency``.
    """
    if isinstance(window, NoData):
        return _inconclusive(f"no data: {window.reason}")
    count = window.arms.get(arm)
    if count is None:
        return _inconclusive(f"no data: the telemetry has {', '.join(sorted(window.arms)) or 'nothing'} and not {arm}")
    return judge_count(arm, count, window.seconds, slos, min_requests)


def judge_count(arm: str, count: Count, seconds: float, slos: Slos, min_requests: int) -> Verdict:
    """:func:`judge_absolute` of what was counted of *arm* in *seconds*."""
    measured = objectives(count, slos)
    findings = [_find(objective, min_requests, ALPHA / len(measured)) for objective in measured]
    finding = _worst(findings)
    facts = "; ".join(_fact(objective, found) for objective, found in zip(measured, findings, strict=True))
    few = ""
    if count.requests < max(1, min_requests):
        few = (
            f"; fewer than the {min_requests} requests needed"
            if min_requests
            else "; without a request it says nothing"
        )
    evidence = tuple(Evidence(metric=o.metric, arm=arm, bad=o.bad, total=o.total, limit=o.budget) for o in measured)
    return Verdict(
        finding=finding,
        sentence=f"{arm} in {seconds:.0f} s: {facts}{few} ({_WEAKER})",
        evidence=evidence,
    )


def at_least(bad: int, total: int, share: float) -> float:
    """The probability of *bad* or more among *total* independent requests, each bad with probability *share*.

    The exact upper tail of the binomial distribution for ``bad > total * share``; below that mean it is 1, which is
    all that a test against too many needs to know.
    """
    if bad <= total * share or bad == 0:
        return 1.0
    log_term = (
        math.lgamma(total + 1)
        - math.lgamma(bad + 1)
        - math.lgamma(total - bad + 1)
        + bad * math.log(share)
        + (total - bad) * math.log1p(-share)
    )
    term = math.exp(log_term)
    tail = 0.0
    for k in range(bad, total + 1):
        tail += term
        if term <= tail * 1e-17:  # beyond the mean the terms fall faster than geometrically
            break
        term *= (total - k) / (k + 1) * share / (1 - share)
    return min(1.0, tail)


def _find(objective: Objective, min_requests: int, alpha: float) -> Finding:
    if objective.bad >= FEWEST_BAD and at_least(objective.bad, objective.total, objective.budget) <= alpha:
        return Finding.FAIL
    if objective.total >= min_requests and objective.bad <= objective.total * objective.budget:
        return Finding.PASS
    return Finding.INCONCLUSIVE


def _worst(findings: list[Finding]) -> Finding:
    for finding in (Finding.FAIL, Finding.INCONCLUSIVE):
        if finding in findings:
            return finding
    return Finding.PASS


def _fact(objective: Objective, finding: Finding) -> str:
    held = {
        Finding.PASS: "within",
        Finding.FAIL: "clearly above",
        Finding.INCONCLUSIVE: "undecided against",
    }[finding]
    return f"{objective.bad} of {objective.total} {objective.words}, {held} the budget of {objective.budget:.4g}"


def _inconclusive(sentence: str) -> Verdict:
    return Verdict(finding=Finding.INCONCLUSIVE, sentence=sentence)
