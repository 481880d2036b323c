"""The scorer of the benchmark: held against its plain definition, and against what was published."""

from __future__ import annotations

import math

import numpy
import pytest

from bench.nab_scorer import Profile, Scorer, SeriesFile, probation_rows

PROFILE = Profile("p", 1.0, 2.0, 0.11)


def sigmoid(x: float) -> float:
    return -1.0 if x >= 3 else 2 / (1 + math.exp(5 * x)) - 1


def plain(files: list[SeriesFile], scores: dict[str, numpy.ndarray], threshold: float) -> float:
    total = 0.0
    for series in files:
        rows = [i for i, s in enumerate(scores[series.name]) if s >= threshold and i >= series.probation_rows]
        for start, end in series.windows:
            inside = [i for i in rows if start <= i <= end]
            length = end - start + 1
            total += sigmoid(-(end - inside[0] + 1) / length) / sigmoid(-1.0) if inside else -PROFILE.miss_weight
        for i in rows:
            if any(s <= i <= e for s, e in series.windows):
                continue
            before = [(s, e) for s, e in series.windows if e < i]
            total += PROFILE.false_alarm_weight * (
                sigmoid((i - before[-1][1]) / (before[-1][1] - before[-1][0])) if before else -1.0
            )
    return total


@pytest.mark.parametrize("seed", range(20))
def test_scorer_is_the_plain_definition(seed: int) -> None:
    generator = numpy.random.default_rng(seed)
    files, scores = [], {}
    for number in range(3):
        count = int(generator.integers(100, 300))
        windows = ((40, 55), (70, 90)) if number else ()
        files.append(SeriesFile(str(number), ("",) * count, numpy.zeros(count), windows))
        scores[str(number)] = numpy.round(generator.random(count) ** 8, 1)
    result = Scorer(files, [PROFILE]).score(scores)["p"]
    options = [plain(files, scores, t) for t in {*numpy.concatenate(list(scores.values())), 2.0}]
    assert result.raw_score == pytest.approx(max(options))
    for threshold in (0.05, 0.3, 0.7, 2.0):
        at = Scorer(files, [PROFILE]).score_at(scores, {"p": threshold})["p"]
        assert at.raw_score == pytest.approx(plain(files, scores, threshold))


def test_bounds() -> None:
    series = SeriesFile("a", ("",) * 200, numpy.zeros(200), ((100, 119),))
    perfect = numpy.zeros(200)
    perfect[100] = 1.0
    scorer = Scorer([series], [PROFILE])
    assert scorer.score({"a": perfect})["p"].score == pytest.approx(100.0)
    assert scorer.score({"a": numpy.zeros(200)})["p"].score == 0.0
    assert probation_rows(22695) == 750 and probation_rows(4032) == 604
