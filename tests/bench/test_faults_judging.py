"""Alarms are held against incidents by the kind of their fault, and against what the same alarms find by luck."""

from __future__ import annotations

import math

import numpy as np
import pytest

from activities.predictor.learning.metrics import Stretch
from bench.faults_fleet import Incident
from bench.faults_judging import LAYOUT, Judged
from bench.faults_weather import DAY, Kind

ROWS = 10 * DAY
GROWN, CRASHED, INHERITED = 2000, 5000, 9000


def judged(score: np.ndarray, incidents: dict[int, Incident]) -> Judged:
    rows = np.arange(ROWS)
    stretch = Stretch(rows, np.zeros(ROWS, bool), np.array(sorted(incidents)), LAYOUT.horizon, DAY, 1.0)
    return Judged([stretch], [score], [incidents], threshold=0.5)


def alarmed(*at: int) -> np.ndarray:
    score = np.zeros(ROWS)
    score[list(at)] = 1.0
    return score


INCIDENTS = {
    GROWN: Incident(0, GROWN, Kind.LEAK, inherited=False),
    CRASHED: Incident(0, CRASHED, Kind.CRASH, inherited=False),
    INHERITED: Incident(0, INHERITED, Kind.LEAK, inherited=True),
}


def test_each_kind_is_counted_by_itself_with_its_lead() -> None:
    found = judged(alarmed(GROWN - 25), INCIDENTS)
    assert (found.growing(inherited=False).found, found.growing(inherited=False).lead) == (1, 25)
    assert (found.growing(inherited=True).events, found.growing(inherited=True).found) == (1, 0)
    assert (found.sudden().events, found.sudden().found) == (1, 0)


@pytest.mark.parametrize("before", [0, LAYOUT.horizon + 1], ids=["in the minute itself", "longer before than it holds"])
def test_an_alarm_that_does_not_foretell_finds_nothing_and_is_false(before: int) -> None:
    found = judged(alarmed(GROWN - before), INCIDENTS)
    assert found.growing(inherited=False).found == 0
    assert found.false_alarms()[0] == pytest.approx(0.1)


def test_an_alarm_before_any_incident_is_right() -> None:
    """Also before one that nobody could foretell: what is said is that an incident comes."""
    assert judged(alarmed(CRASHED - 5), INCIDENTS).false_alarms()[0] == 0


def test_scores_that_know_nothing_find_what_luck_finds() -> None:
    starts = range(200, ROWS, 200)
    incidents = {row: Incident(0, row, Kind.CUT, inherited=False) for row in starts}
    score = alarmed(*np.random.default_rng(1).integers(0, ROWS, 60).tolist())
    found = judged(score, incidents).sudden()
    assert found.recall == pytest.approx(found.chance, abs=0.06)
    assert found.chance > 0.15


def test_scores_that_know_the_future_of_sudden_faults_find_more_than_luck() -> None:
    starts = range(400, ROWS, 400)
    incidents = {row: Incident(0, row, Kind.CUT, inherited=False) for row in starts}
    found = judged(alarmed(*(row - 1 for row in list(starts)[::2])), incidents).sudden()
    assert found.recall > found.chance + 0.2


def test_of_no_incident_there_is_no_figure() -> None:
    found = judged(alarmed(10), {}).sudden()
    assert math.isnan(found.recall)
    assert found.shown["event recall"] is None
