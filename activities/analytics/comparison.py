"""The comparative verdict: a target beside the releases that serve at the same time, judged window by window. Pure.

Whatever strikes all releases alike (a dependency that fails, a peak of traffic) condemns none of them here: that makes
it the stronger kind of evidence. Each metric of the service's objectives has an e-process for harm and one for
improvement (:mod:`activities.analytics.e_process`). Either is *shown* as soon as its E reaches m/ALPHA, with m metrics
(Bonferroni). In all the time that one comparison goes on, whatever the weights, it shows harm that is not there with a
probability of at most ALPHA. Each that is begun anew has an ALPHA of its own: every gate of a rollback begins one.

The rule, in this order:

- Where nothing has run beside the target in the gate's whole *seconds*, and need is *no-harm*: as the target alone
  against its objectives, the weaker kind of evidence, and said to be that. A target can be better only than something.
  Not before: the first few requests may all be the target's by chance, and what fails them a dependency of all.
- **INCONCLUSIVE**: fewer than *min_requests* in either arm.
- **FAIL**: harm was shown in any metric, at any time since the comparison began.
- **INCONCLUSIVE**: the latest window said nothing. What was good before must not pass for what is not seen now.
- **PASS**, need *better*: improvement is shown at this moment in one metric or more.
- **PASS**, need *no-harm*: the target meets each objective (:func:`~activities.analytics.verdict.judge_absolute`).
- **INCONCLUSIVE**: everything else. A target that misses its objectives without being worse than the others is not
  condemned: the cause is elsewhere, and going back to them would not help.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from activities.analytics.e_process import EProcess
from activities.analytics.objectives import NOTHING, Objective, metrics, objectives
from activities.analytics.overdispersion import Overdispersion
from activities.analytics.verdict import ALPHA, judge_count
from models.base import Frozen
from models.catalog import Slos
from models.stage import Compare
from models.telemetry import USERS, Count, NoData, WindowReading
from models.verdict import Compared, Evidence, Finding, Need, Verdict


class Comparison(Frozen):
    """What was seen so far. Small; as JSON it travels in heartbeats, and a comparison goes on from it after a kill."""

    target: str
    """The release that is judged; its baseline is every other release, summed."""
    slos: Slos
    processes: dict[str, EProcess]
    """By metric."""
    assumed: dict[str, str]
    """Why its overdispersion is, by metric; empty where it was learned."""
    compared_target: Count = NOTHING
    compared_baseline: Count = NOTHING
    """Of the windows in which both served."""
    seen_target: Count = NOTHING
    """Of all windows: what the objectives are held against."""
    seen_baseline: Count = NOTHING
    seconds: float = 0.0
    """The length of all windows."""
    measured: bool = False
    """Whether the latest window had data of the target."""
    gap: str = "nothing was compared yet"
    """Why the latest window said nothing; empty where it did."""

    @classmethod
    def begin(cls, target: str, slos: Slos, overdispersion: Mapping[str, Overdispersion]) -> Comparison:
        """*overdispersion*: that of every metric, from :mod:`activities.analytics.overdispersion`."""
        processes = {metric: EProcess(overdispersion=overdispersion[metric].factor) for metric in metrics(slos)}
        assumed = {metric: overdispersion[metric].assumed for metric in processes}
        return cls(target=target, slos=slos, processes=processes, assumed=assumed)

    def after(self, reading: WindowReading) -> Comparison:
        """With one more window; the windows must not overlap.

        A window in which either arm had no requests moves no evidence: all bad events were bound to be in the other
        arm, so where they are tells nothing. One without data, or with counts that cannot be, is not counted at all.
        """
        if isinstance(reading, NoData):
            return self._with_gap(f"no data: {reading.reason}")
        target = reading.arms.get(self.target)
        if target is None:
            return self._with_gap(f"no data: nothing was measured of {self.target}")
        others = [count for arm, count in reading.arms.items() if arm not in (self.target, USERS)]
        if not (_can_be(target, *others) and 0 < reading.seconds < math.inf):
            return self._with_gap("the telemetry answered with counts that cannot be")
        baseline = _sum(others)
        seen = {
            "seen_target": _sum([self.seen_target, target]),
            "seen_baseline": _sum([self.seen_baseline, baseline]),
            "seconds": self.seconds + reading.seconds,
            "measured": True,
        }
        for arm, count in ((self.target, target), (f"what runs beside {self.target}", baseline)):
            if count.requests == 0:
                return self.model_copy(update={**seen, "gap": f"{arm} had no requests"})
        return self.model_copy(update={**seen, **self._moved(target, baseline)})

    def _moved(self, target: Count, baseline: Count) -> dict[str, object]:
        moved = {
            ours.metric: self.processes[ours.metric].after(
                ours.bad, theirs.bad, ours.total / (ours.total + theirs.total)
            )
            for ours, theirs in zip(objectives(target, self.slos), objectives(baseline, self.slos), strict=True)
        }
        return {
            "processes": moved,
            "compared_target": _sum([self.compared_target, target]),
            "compared_baseline": _sum([self.compared_baseline, baseline]),
            "gap": "",
        }

    def _with_gap(self, reason: str) -> Comparison:
        return self.model_copy(update={"gap": reason, "measured": False})


def judge(comparison: Comparison, gate: Compare) -> Verdict:
    """What the comparison has shown by now of what *gate* asks; see this module for the rule."""
    target, slos = comparison.target, comparison.slos
    ours, theirs = objectives(comparison.compared_target, slos), objectives(comparison.compared_baseline, slos)
    shown = [_compared(comparison, objective) for objective in theirs]
    finding, reason = _find(comparison, shown, gate)
    facts = "; ".join(_fact(*pair) for pair in zip(ours, shown, strict=True))
    assumed = "".join(f"; assumed because {why}" for why in dict.fromkeys(c.assumed for c in shown) if why)
    return Verdict(
        finding=finding,
        sentence=f"{target} beside the other releases in {comparison.seconds:.0f} s: {facts}{reason}{assumed}",
        evidence=tuple(
            Evidence(metric=o.metric, arm=target, bad=o.bad, total=o.total, limit=o.budget, compared=compared)
            for o, compared in zip(ours, shown, strict=True)
        ),
    )


def threshold(count: int) -> float:
    """What log E must reach, so that *count* metrics together keep to ALPHA."""
    return math.log(count / ALPHA)


def _find(comparison: Comparison, shown: Sequence[Compared], gate: Compare) -> tuple[Finding, str]:
    """And what the sentence says besides the metrics."""
    need, least = gate.need, gate.min_requests
    alone = judge_count(comparison.target, comparison.seen_target, comparison.seconds, comparison.slos, least)
    ran_alone = comparison.seen_baseline.requests == 0 and comparison.seconds >= gate.seconds
    if need is Need.NO_HARM and ran_alone and comparison.measured:
        return alone.finding, f"; nothing ran beside it: {alone.sentence}"
    gap = f"; the latest window said nothing: {comparison.gap}" if comparison.gap else ""
    fewest = min(comparison.compared_target.requests, comparison.compared_baseline.requests)
    if fewest < max(1, least):
        return Finding.INCONCLUSIVE, f"; fewer than the {least} requests needed on either side{gap}"
    if any(compared.shows_harm for compared in shown):
        return Finding.FAIL, ""
    if gap:
        return Finding.INCONCLUSIVE, gap
    if need is Need.BETTER:
        better = any(compared.shows_improvement for compared in shown)
        return (Finding.PASS, "") if better else (Finding.INCONCLUSIVE, "; not shown to be better yet")
    if alone.passed:
        return Finding.PASS, "; within its objectives"
    return Finding.INCONCLUSIVE, f"; not worse, and yet not within its objectives: {alone.sentence}"


def _compared(comparison: Comparison, theirs: Objective) -> Compared:
    process = comparison.processes[theirs.metric]
    return Compared(
        bad=theirs.bad,
        total=theirs.total,
        log_e_harm=process.highest_log_e_harm,
        log_e_improvement=process.log_e_improvement,
        threshold=threshold(len(comparison.processes)),
        overdispersion=process.overdispersion,
        assumed=comparison.assumed[theirs.metric],
    )


def _fact(ours: Objective, compared: Compared) -> str:
    found = "neither better nor worse is shown"
    if compared.shows_harm:
        found = "worse"
    elif compared.shows_improvement:
        found = "better"
    numbers = (
        f"log E of harm {compared.log_e_harm:.1f}, of improvement {compared.log_e_improvement:.1f}, "
        f"{compared.threshold:.1f} needed, overdispersion {compared.overdispersion:.1f} "
        f"{'assumed' if compared.assumed else 'learned'}"
    )
    return f"{ours.bad} of {ours.total} {ours.words}, {compared.bad} of {compared.total} beside it, {found} ({numbers})"


def _sum(counts: Iterable[Count]) -> Count:
    every = tuple(counts)
    return Count(
        requests=sum(count.requests for count in every),
        errors=sum(count.errors for count in every),
        slow=sum(count.slow for count in every),
    )


def _can_be(*counts: Count) -> bool:
    """Neither negative nor, past what pydantic checks, infinite or not a number."""
    return all(0 <= number < math.inf for count in counts for number in (count.requests, count.errors, count.slow))
