"""What a benchmark says: an object as the last line, words for people, and an exit status that agrees."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

import pytest

from bench.result import Benchmark, Check, Outcome, Progress, at_least, at_most, below, percentile


def run(monkeypatch: pytest.MonkeyPatch, checks: tuple[Check, ...], *argv: str) -> int:
    async def measure(arguments: argparse.Namespace, folder: Path, progress: Progress) -> Outcome:
        assert folder.name.startswith("bench-sample-")
        progress("halfway")
        return Outcome({"times": arguments.times}, checks)

    def options(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--times", type=int, default=2)

    monkeypatch.setattr(sys, "argv", ["bench", *argv])
    with pytest.raises(SystemExit) as ended:
        Benchmark("sample", "A sample.", measure, options).main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_last_line_is_one_object_and_the_status_is_0_if_all_checks_hold(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, (at_most("failed", 0, 0),), "--json", "--times", "3") == 0
    said = capsys.readouterr()
    document = json.loads(said.out.splitlines()[-1])
    assert set(document) == {"bench", "machine", "results", "checks"}
    assert document["results"] == {"times": 3}
    assert document["checks"] == [{"name": "failed", "value": 0, "limit": 0, "holds": True}]
    assert "halfway" in said.err
    assert "all checks hold" in said.err


def test_one_check_that_does_not_hold_is_said_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, (at_most("failed", 1, 0), at_least("rate", 5, 4))) == 1
    assert "DOES NOT HOLD: failed: 1 (limit 0)" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["rollback", "mitigation"])
def test_help_shows_an_example(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import runpy

    monkeypatch.setattr(sys, "argv", [name, "--help"])
    monkeypatch.delitem(sys.modules, f"bench.{name}", raising=False)
    with pytest.raises(SystemExit):
        runpy.run_module(f"bench.{name}", run_name="__main__")
    assert f"python -m bench.{name} --json" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("share", "value"), [(0.5, 2), (0.99, 4), (0, 1), (1, 4)])
def test_percentiles_are_values_that_were_measured(share: float, value: float) -> None:
    assert percentile([4, 1, 3, 2], share) == value


def test_what_was_not_measured_holds_nothing() -> None:
    assert math.isnan(percentile([], 0.5))
    assert not at_most("x", math.nan, 1).holds
    assert not at_least("x", math.nan, 1).holds
    assert not below("x", math.nan, 1).holds
    assert not below("x", 1, 1).holds
