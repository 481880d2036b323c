"""How well "a new incident starts within H" is foretold, on any files of the known formats, with one configuration.

For each group of files: the ensemble as it would serve, its members, and five trivial forecasts beside it (always no,
the last value, seasonal persistence, recency, and the ensemble's own scores shifted in time, which is chance). Members
learn on the first 45% of each labelled period; thresholds, calibration and abstention come from the next 15%; the
figures are of the last 40%. Every threshold is chosen in the same way, the baselines' too. A group without shown skill
abstains and raises no alarm; what its scores would have been is given apart. Intervals are 90%, by bootstrap over
entities.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy

from activities.predictor.learning import metrics
from activities.predictor.learning.deciding import Costs, decide
from activities.predictor.learning.ensemble import PERSISTENCE, PLAIN_PERSISTENCE
from activities.predictor.learning.episodes import Episodes, Floats, Group, Part
from activities.predictor.learning.references import learn_references
from activities.predictor.learning.shrinkage import sigmoid
from activities.predictor.learning.table import Table, tabulate
from activities.predictor.learning.training import Forecast, Trained, answers, learn_from
from bench.predictor_data import DataRefused, load_folder
from bench.result import Benchmark, Check, Outcome, Progress, at_least, at_most
from models.base import SternwayError

COSTS = Costs()
SERVERS = {"PR-AUC": 0.085, "event recall": 0.20}
"""Asked of metrics of servers each minute, 30 minutes ahead; the best single baseline has .070 and .14."""
ENGINES = {"PR-AUC": 0.92, "balanced accuracy": 0.94}
"""Asked where each unit runs to its failure, which has precursors."""
OF_SCORES = {"PR-AUC", "ROC-AUC", "balanced accuracy"}
"""Figures that who says nothing has not."""
LATELY = math.log(3)
"""As a feature: two horizons since the last incident started."""
FROZEN = "ensemble, no outcome recorded after validation"


@dataclass(frozen=True)
class Judged:
    """Scores of a table on one part of it: thresholds from the validation part, figures of *part*."""

    table: Table
    part: Part

    def row(self, score: Floats, threshold: float | None = None, *, intervals: bool = False) -> dict[str, Any]:
        """Figures of *score* [n]; -inf where it says nothing. Without a threshold, one is chosen as for all."""
        table = self.table
        check, asked = table.part == Part.VALIDATION, table.part == self.part
        before, before_rows = table.stretches(check)
        after, after_rows = table.stretches(asked)
        if threshold is None:
            threshold = decide(before, [score[index] for index in before_rows], COSTS)
        scores = [score[index] for index in after_rows]
        events = metrics.judge(after, scores, threshold)
        cut = metrics.best_balanced_threshold(table.target[check], score[check])
        target = table.target[asked]
        figures: dict[str, Any] = {
            "PR-AUC": metrics.pr_auc(target, score[asked]),
            "base rate": float(target.mean()) if len(target) else math.nan,
            "ROC-AUC": metrics.roc_auc(target, score[asked]),
            "balanced accuracy": metrics.balanced_accuracy(target, score[asked] >= cut),
            "events": events.events,
            "events found": events.found,
            "event recall": events.recall,
            "event recall by chance": metrics.chance_recall(after, scores, threshold),
            "false alarms a day": events.false_alarms_a_day,
            "lead": events.lead,
            "alarm coverage": events.covered,
        }
        if intervals:
            figures["90% intervals"] = metrics.intervals(after, scores, threshold)
        return _rounded(figures)

    def chance(self, score: Floats, threshold: float) -> dict[str, Any]:
        """Of *score*, circularly shifted within each entity."""
        after, rows = self.table.stretches(self.table.part == self.part)
        target = self.table.target[numpy.concatenate(rows)]
        moved = list(metrics.shifts([score[index] for index in rows]))
        figures = [metrics.judge(after, scores, threshold) for scores in moved]
        mean = {
            "PR-AUC": [metrics.pr_auc(target, numpy.concatenate(scores)) for scores in moved],
            "event recall": [one.recall for one in figures],
            "false alarms a day": [one.false_alarms_a_day for one in figures],
        }
        return _rounded({name: float(numpy.mean(values)) for name, values in mean.items()})

    def probability(self, score: Floats, threshold: float | None = None, *, intervals: bool = False) -> dict[str, Any]:
        """As ``row``, of probabilities: with their Brier skill, over the rows that are answered."""
        answered = (self.table.part == self.part) & numpy.isfinite(score)
        skill = metrics.brier_skill(self.table.target[answered], score[answered])
        return {**self.row(score, threshold, intervals=intervals), **_rounded({"Brier skill": skill})}


async def measure(arguments: argparse.Namespace, _folder: Path, progress: Progress) -> Outcome:
    try:
        found = load_folder(arguments.data)
    except DataRefused as refused:
        print(refused, file=sys.stderr)
        raise SystemExit(2) from None
    for name, reason in found.refused.items():
        progress(f"refused {name}: {reason}", now=True)
    part = Part.VALIDATION if arguments.validation_only else Part.TEST
    groups: dict[str, Any] = {}
    checks: list[Check] = []
    for group in found.groups:
        began = time.monotonic()
        try:
            groups[group.name] = _evaluate(group, part, arguments.frozen, progress)
        except SternwayError as refused:
            found.refused[group.name] = str(refused)
            continue
        groups[group.name]["seconds"] = round(time.monotonic() - began, 1)
        checks += _checks(group, groups[group.name])
    if not groups:
        print(f"{arguments.data} holds no file that can be evaluated", file=sys.stderr)
        raise SystemExit(2)
    results = {
        "part": part.name.lower(),
        "groups": groups,
        "refused": found.refused,
        "files of other formats": found.others,
    }
    return Outcome(results, tuple(checks))


def _evaluate(group: Group, part: Part, frozen: bool, progress: Progress) -> dict[str, Any]:
    def told(text: str) -> None:
        progress(f"{group.name}: {text}")

    episodes = tuple(Episodes(one, group.layout) for one in group.series)
    told("detectors")
    references = learn_references([one.reference for one in episodes])
    table = tabulate(episodes, group.series, references, told)
    trained = learn_from(table, references, COSTS, told)
    judged = Judged(table, part)
    told("judging")
    result = _described(group, table, trained)
    if not (table.part == part).any():
        return {**result, "ensemble": {}, "not judged": f"no row of the {part.name.lower()} part can be asked"}
    probability = numpy.full(len(table.target), -numpy.inf)
    forecast = trained.forecast
    if forecast is not None:
        probability = answers(table, forecast, trained.silent)
        result["members"] = _members(judged, table, forecast)
    if trained.abstains:
        silence = judged.row(numpy.full(len(table.target), -numpy.inf), math.inf)
        result["ensemble"] = {name: value for name, value in silence.items() if name not in OF_SCORES}
        if forecast is not None:
            result["if it had spoken"] = judged.probability(probability, intervals=True)
    else:
        result["ensemble"] = judged.probability(probability, trained.threshold, intervals=True)
    if frozen and forecast is not None and not trained.abstains:
        told("the same without outcomes after the validation part")
        recorded = [one.recorded_until_test() for one in episodes]
        unknowing = Judged(tabulate(episodes, recorded, references, told), part)
        result[FROZEN] = unknowing.probability(answers(unknowing.table, forecast, trained.silent), trained.threshold)
    result["baselines"] = {
        **_baselines(judged, table),
        "circularly shifted scores": judged.chance(probability, trained.threshold),
    }
    return result


def _described(group: Group, table: Table, trained: Trained) -> dict[str, Any]:
    described: dict[str, Any] = {
        "entities": len(group.series),
        "horizon": f"{group.layout.horizon} rows",
        "unit of lead": "minutes" if group.layout.period else "rows",
        "unit of rates": "a day" if group.layout.period else f"{metrics.ROWS_WITHOUT_DAYS} rows",
        "features": len(table.columns),
        "abstains": list(trained.abstains),
        "silent entities": trained.silent,
    }
    if trained.evidence is not None:
        described["evidence"] = _rounded(asdict(trained.evidence))
    if (forecast := trained.forecast) is not None:
        names = [member.name for member in forecast.members]
        described |= {
            "combiner": forecast.combiner.way.value,
            "weights": _rounded(dict(zip(names, forecast.combiner.weights, strict=True))),
            "combiners' log skill on the validation part": _rounded(
                {way.value: skill for way, skill in forecast.skills.items()}
            ),
            "calibration": type(forecast.calibration).__name__,
            "answered by seasonal persistence": sorted(forecast.fallen_back),
            **_rounded({"threshold": trained.threshold}),
        }
    return described


def _members(judged: Judged, table: Table, forecast: Forecast) -> dict[str, Any]:
    asked = table.part >= Part.VALIDATION
    odds = numpy.full((len(table.target), len(forecast.members)), -numpy.inf)
    odds[asked] = forecast.odds(table.features[asked])
    return {
        member.name: judged.probability(numpy.where(asked, sigmoid(odds[:, column]), -numpy.inf))
        for column, member in enumerate(forecast.members)
    }


def _baselines(judged: Judged, table: Table) -> dict[str, Any]:
    """The trivial forecasts from outcomes so far; the shifted scores are the fifth."""
    target = table.target
    base = numpy.full(len(target), target[table.part == Part.TRAIN].mean())
    units = table.episodes[0].series.part is not None
    since_start, since_end, clock = (
        numpy.zeros(len(target)) if (column := table.feature(name)) is None else column
        for name in ("since_last_start", "age" if units else "since_last_active", PLAIN_PERSISTENCE)
    )
    return {
        "always no": judged.probability(base, math.inf),
        "last value": judged.row((since_start <= LATELY).astype(numpy.float64)),
        PERSISTENCE: judged.row(clock),
        "recency": judged.row(since_end if units else -since_end),
    }


def _checks(group: Group, result: Mapping[str, Any]) -> list[Check]:
    """What is asked of a group follows from its layout, where its rows hold incidents to be judged by.

    A group that abstains has said nothing wrong, but nothing that was asked either: what it has not said is 0.
    """
    layout, ensemble = group.layout, result["ensemble"]
    servers = len(layout.metrics) > 1 and layout.interval_s < 300
    limits = ENGINES if group.series[0].part is not None else SERVERS if servers else {}
    asked = limits if ensemble.get("events") else {}
    wanted = [at_least(name, ensemble.get(name) or 0.0, limit) for name, limit in asked.items()]
    if (rate := ensemble.get("false alarms a day")) is not None:
        wanted.append(at_most("false alarms a day", rate, COSTS.false_alarms_a_day))
    if (skill := ensemble.get("Brier skill")) is not None:
        wanted.append(Check("Brier skill", skill, 0.0, skill > 0))
    return [replace(check, name=f"{group.name}: {check.name}") for check in wanted]


def _rounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Four digits; nothing where there is no number."""
    shown: dict[str, Any] = {}
    for name, value in figures.items():
        if isinstance(value, Mapping):
            shown[name] = _rounded(cast(Mapping[str, Any], value))
        elif isinstance(value, tuple):
            shown[name] = [round(number, 4) for number in cast(tuple[float, ...], value)]
        elif isinstance(value, float):
            shown[name] = round(value, 4) if math.isfinite(value) else None
        else:
            shown[name] = value
    return shown


def options(parser: argparse.ArgumentParser) -> None:
    data = "a folder with files of the formats in its README, at any depth (default: %(default)s)"
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help=data)
    only = "judge on the validation part, which is optimistic, and leave the test part unseen (for development)"
    parser.add_argument("--validation-only", action="store_true", help=only)
    frozen = "also say how well it would do if no outcome were recorded after the validation part"
    parser.add_argument("--frozen", action="store_true", help=frozen)


if __name__ == "__main__":
    Benchmark("predictor", __doc__ or "", measure, options).main()
