"""``sternway store`` and ``sternway audit`` as an operator runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from activities.analytics.store import Store, journal
from tests.store.journal_entries import ended, started


def sternway(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from workers.cli.main import run; run()", *arguments]
    environment = {**os.environ, **(environment or {})}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_migrate_makes_an_empty_store_ready(store_url: str) -> None:
    before = sternway("store", "status", "--url", store_url)
    assert (before.returncode, "run sternway store migrate" in before.stdout) == (1, True)
    assert sternway("store", "migrate", "--url", store_url).returncode == 0
    after = sternway("store", "status", "--url", store_url, "--json")
    assert after.returncode == 0
    found = json.loads(after.stdout)
    assert found["revision"] == found["wanted"]


def test_a_store_that_is_not_ready_ends_with_the_cure_and_no_traceback(store_url: str) -> None:
    verified = sternway("audit", "verify", "--url", store_url)
    assert verified.returncode == 2
    assert verified.stderr.startswith("sternway: the store ")
    assert "run: sternway store migrate" in verified.stderr
    assert "Traceback" not in verified.stderr


@pytest.mark.parametrize(
    "command", [("points", "list"), ("holds", "list"), ("audit", "verify"), ("incidents", "orphans")]
)
def test_looking_at_a_store_that_is_not_there_does_not_make_one(tmp_path: Path, command: tuple[str, ...]) -> None:
    said = sternway(*command, environment={"STERNWAY_STORE_URL": f"sqlite:///{tmp_path}/wrong.db"})
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr == (
        f"sternway: the store sqlite:///{tmp_path}/wrong.db is not there; name the right one with "
        "STERNWAY_STORE_URL or --url, or run: sternway store migrate\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [("points", "list"), ("holds", "list"), ("store", "status"), ("store", "migrate")])
def test_a_file_that_is_no_store_is_named_and_left_as_it_is(tmp_path: Path, command: tuple[str, ...]) -> None:
    file = tmp_path / "alert.json"
    file.write_text(text := '{"alerts": []}' * 100)
    said = sternway(*command, "--url", f"sqlite:///{file}")
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.startswith(f"sternway: the store sqlite:///{file} cannot be read, for file is not a database")
    assert "STERNWAY_STORE_URL or --url" in said.stderr
    assert file.read_text() == text


def test_a_whole_journal_is_said_to_be_whole(store: Store, store_url: str) -> None:
    journal.append(store, [started(), ended(2)])
    verified = sternway("audit", "verify", "--url", store_url)
    assert (verified.returncode, verified.stdout.splitlines()[0]) == (
        0,
        "2 events of 1 incidents, 1 anchors: every chain is whole",
    )


def test_a_broken_chain_ends_with_status_1_and_names_the_event(store: Store, store_url: str) -> None:
    journal.append(store, [started(), ended(2)])
    with store.write() as connection:
        if store.sqlite:
            connection.exec_driver_sql("DROP TRIGGER events_only_erased")
        else:
            connection.exec_driver_sql("ALTER TABLE events DISABLE TRIGGER USER")
        connection.exec_driver_sql("UPDATE events SET payload = '{}' WHERE seq = 2")
    told = sternway("audit", "verify", "--url", store_url)
    assert (told.returncode, told.stdout.splitlines()[0]) == (1, "BROKEN  incident I, event 2: the payload was altered")
    machine = sternway("audit", "verify", "--url", store_url, "--incident", "I", "--json")
    assert machine.returncode == 1
    fault = {"incident": "I", "seq": 2, "reason": "the payload was altered"}
    assert json.loads(machine.stdout)["broken"] == [fault]


def test_an_unknown_incident_is_not_called_whole(store: Store, store_url: str) -> None:
    verified = sternway("audit", "verify", "--url", store_url, "--incident", "nope")
    assert verified.returncode == 2
    assert "knows no incident nope" in verified.stderr
