"""The benchmark of forecasts says nothing of what it cannot judge, and says why."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy
import pytest

from bench.predictor import measure
from bench.result import Outcome, Progress


async def outcome(folder: Path) -> Outcome:
    arguments = argparse.Namespace(data=folder, validation_only=False, frozen=True)
    return await measure(arguments, folder, Progress())


def write_kpi(path: Path, label: numpy.ndarray) -> None:
    stamp = 1_500_000_000 + 300 * numpy.arange(len(label))
    numpy.savez(path, timestamp=stamp, value=numpy.random.default_rng(0).normal(size=len(label)), label=label)


async def test_a_group_without_incidents_is_silent_and_its_baselines_are_shown(tmp_path: Path) -> None:
    write_kpi(tmp_path / "quiet.npz", numpy.zeros(600, int))
    (tmp_path / "broken.npz").write_bytes(b"PK")
    found = await outcome(tmp_path)
    (group,) = found.results["groups"].values()
    assert "no incident started" in group["abstains"][0] and list(found.results["refused"]) == ["broken.npz"]
    assert group["ensemble"]["false alarms a day"] is None, "there was no day on which it said anything"
    assert group["ensemble"]["alarm coverage"] == 0
    assert "PR-AUC" not in group["ensemble"] and "members" not in group
    assert set(group["baselines"]) == {
        "always no",
        "last value",
        "seasonal persistence",
        "recency",
        "circularly shifted scores",
    }
    assert "NaN" not in json.dumps(found.results) and "Infinity" not in json.dumps(found.results)


async def test_where_no_row_can_be_asked_nothing_is_judged(tmp_path: Path) -> None:
    write_kpi(tmp_path / "always.npz", numpy.ones(600, int))
    (group,) = (await outcome(tmp_path)).results["groups"].values()
    assert "no row of the test part can be asked" in group["not judged"] and group["ensemble"] == {}


@pytest.mark.parametrize("folder", ["missing", "."])
async def test_without_a_file_to_evaluate_nothing_is_measured(tmp_path: Path, folder: str) -> None:
    (tmp_path / "broken.npz").write_bytes(b"PK")
    with pytest.raises(SystemExit) as left:
        await outcome(tmp_path / folder)
    assert left.value.code == 2
