"""What `sternway upgrade status` shows of a build: all that would be lost without its processes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from workers.cli import upgrade
from workers.deployment.standing import Build, Running, Standing


def test_a_rollback_that_outlived_its_incident_counts_as_running_on_its_build(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left = Build(
        build="A",
        current=False,
        since=datetime(2026, 1, 31, 12, tzinfo=UTC),
        running=(Running(workflow="rollback:01:payments", kind="Rollback"),),
        polled={"sternway": ("1@here",)},
    )
    monkeypatch.setattr(upgrade, "_with_temporal", lambda *_: Standing(deployment="d", current="B", builds=(left,)))
    monkeypatch.setenv("COLUMNS", "200")
    upgrade.status()
    heading, row = capsys.readouterr().out.splitlines()[:2]
    assert heading.split() == ["build", "since", "running", "queue", "polled", "by"]
    assert row[heading.index("running") :].split()[0] == "1"
