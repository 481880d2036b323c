"""``sternway predict show``: what is predicted of each service, or why nothing is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from activities.analytics.store import Store, migrate, open_store, ticks
from activities.analytics.store.ticks import Tick
from tests.predictor.kept_services import CATALOG, INTERVAL
from workers.cli.predict import app

NUMBER = int(datetime.now(UTC).timestamp()) // INTERVAL


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    migrate(opened)
    yield opened
    opened.close()


def shown(tmp_path: Path) -> str:
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    environment = {"STERNWAY_CATALOG": str(tmp_path / "catalog.yaml"), "COLUMNS": "200"}
    result = CliRunner().invoke(app, ["show", "--url", f"sqlite:///{tmp_path / 'store.db'}"], env=environment)
    assert result.exit_code == 0, result.output
    return result.output


def keep(store: Store, age: timedelta) -> None:
    at = datetime.now(UTC) - age
    samples = {"payments": (at.timestamp(), 1.0), "ledger": (at.timestamp(), 1.0), "refunds": "the source is away"}
    ticks.keep(store, "eu", INTERVAL, Tick(number=NUMBER, at=at, samples=samples), {})
    ticks.predicted(store, "eu", INTERVAL, NUMBER, 1, {"payments": 0.25}, {"ledger": "too little history"})


def test_each_service_is_shown_with_its_probability_or_the_reason_why_there_is_none(
    store: Store, tmp_path: Path
) -> None:
    keep(store, timedelta(seconds=5))
    output = shown(tmp_path)
    assert "25.0%" in output
    assert "too little history" in output
    assert "the source is away" in output


def test_what_was_predicted_long_ago_is_no_prediction(store: Store, tmp_path: Path) -> None:
    keep(store, timedelta(hours=3))
    output = shown(tmp_path)
    assert "25.0%" not in output
    assert "measured 3 h ago: nothing is predicted" in output
