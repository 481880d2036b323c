"""``sternway predict``: what a person, and the pool, get to see of the model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from activities.analytics.store import Store, migrate, open_store, prediction_models, predictions
from activities.predictor.serving.bundle import BundleRefused
from models.base import SternwayError
from models.prediction import Alarm, Contribution
from tests.predictor.conftest import KeptStore
from tests.predictor.kept_services import CATALOG, FIRST, NOW, fill
from workers.cli.main import app


@pytest.fixture(autouse=True)
def catalog_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    monkeypatch.setenv("STERNWAY_CATALOG", str(tmp_path / "catalog.yaml"))


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    address = f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.setenv("STERNWAY_STORE_URL", address)
    return address


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    migrate(opened)
    yield opened
    opened.close()


def predict(*words: str, status: int = 0) -> Any:
    """What the command prints as JSON. An error that would end it with status 2 is raised."""
    result = CliRunner().invoke(app, ["predict", *words, "--json"])
    if isinstance(result.exception, SternwayError):
        raise result.exception
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


def add(store: Store, content: bytes) -> str:
    return str(prediction_models.add(store, "d" * 64, {}, content, "learned", NOW).version)


SAID = ("--by", "somebody", "--reason", "for the test")


def test_a_version_is_promoted_and_the_only_one_does_not_go_back_unasked(store: Store, content: bytes) -> None:
    predict("promote", add(store, content), *SAID)
    (model,) = predict("models")
    assert (model["status"], model["because"]) == ("current", "somebody: for the test")
    with pytest.raises(SternwayError, match="say --off if that is meant"):
        predict("back", *SAID)
    assert predict("models")[0]["status"] == "current"


def test_going_back_from_the_only_version_is_done_where_it_is_meant(store: Store, content: bytes) -> None:
    predict("promote", add(store, content), *SAID)
    assert predict("back", "--off", *SAID) is None
    assert predict("models")[0]["status"] == "refused"
    with pytest.raises(SternwayError, match="nothing to go back from"):
        predict("back", *SAID)


def test_the_version_before_predicts_again(store: Store, content: bytes) -> None:
    one = add(store, content)
    two = str(prediction_models.add(store, "e" * 64, {}, content, "learned", NOW).version)
    for version in (one, two):
        predict("promote", version, *SAID)
    assert str(predict("back", *SAID)["version"]) == one


def test_a_version_that_cannot_be_read_is_not_promoted(store: Store) -> None:
    version = add(store, b"garbage")
    with pytest.raises(BundleRefused, match="is no bundle of a model"):
        predict("promote", version, *SAID)
    assert predict("models")[0]["status"] == "challenger"


def test_from_too_little_nothing_is_learned(store: Store) -> None:
    fill(store, until=FIRST + 5)
    found = predict("train", status=1)
    assert (found["version"], found["better"]) == (None, False)
    assert "no service has been measured for 2 days" in found["because"]


def test_without_a_version_there_is_a_reason_to_learn(store: Store) -> None:
    assert predict("examine") == {"version": None, "go_back": None, "learn": "nothing predicts yet", "drifted": []}


def test_a_version_is_held_against_what_came(url: str, kept_store: KeptStore, tmp_path: Path) -> None:
    kept_store.copied(tmp_path)
    found = predict("evaluate", "--version", str(kept_store.learned.version), "--days", "7")
    assert found["incidents"] > 3
    assert found["brier_skill"] > 0


def test_a_version_for_another_horizon_is_not_evaluated(store: Store, content: bytes) -> None:
    with pytest.raises(SternwayError, match="other intervals, horizons or metrics"):
        predict("evaluate", "--version", add(store, content))


def test_an_alarm_is_explained(store: Store) -> None:
    alarm = Alarm(
        id="eu/payments/7",
        region="eu",
        service="payments",
        at=NOW,
        until=NOW + timedelta(minutes=30),
        model=1,
        probability=0.4,
        threshold=0.3,
        contributions=(
            Contribution(feature="p99_ms", category="statistical", value=9, usual=1, log_odds=2, sentence="it is slow"),
        ),
    )
    predictions.raise_alarms(store, [alarm])
    found = predict("explain", alarm.id)
    assert Alarm.model_validate(found["alarm"]) == alarm
    assert found["came_true"] is None
    with pytest.raises(SternwayError, match="there is no alarm eu/payments/8"):
        predict("explain", "eu/payments/8")
