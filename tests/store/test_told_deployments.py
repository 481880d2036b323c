"""Deploy events are kept once, newest first, and bounded; what had no place may find one later."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from typer.testing import CliRunner

from activities.analytics.store import Store, deployments
from activities.analytics.store.deployments import NEWEST
from models.deployment import DeployEvent
from workers.cli.main import app

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def event(reference: str, release: str = "v2", minutes_ago: float = 0, **changed: object) -> DeployEvent:
    values: dict[str, object] = {
        "source": "api",
        "reference": reference,
        "service": "payments",
        "region": "eu",
        "release": release,
        "at": NOW - timedelta(minutes=minutes_ago),
        "received_at": NOW,
    }
    return DeployEvent.model_validate(values | changed)


def nowhere(reference: str, minutes_ago: float = 0) -> DeployEvent:
    return event(reference, minutes_ago=minutes_ago, service=None, region=None, unrouted="no such repository")


def test_events_come_back_newest_first_whatever_order_they_came_in(store: Store) -> None:
    for told in (event("b", "v2", 5), event("c", "v3", 1), event("a", "v1", 9)):
        assert deployments.record(store, [told]) == []
    assert [one.release for one in deployments.deployments(store, "payments", "eu")] == ["v3", "v2", "v1"]
    assert deployments.deployments(store, "payments", "us") == []


def test_a_reference_is_kept_once_by_source_with_all_of_its_places(store: Store) -> None:
    first = [event("1"), event("1", region="us")]
    assert deployments.record(store, first) == []
    assert deployments.record(store, [event("1", "v9")]) == first, "what is kept is what was told first"
    assert deployments.record(store, [event("1", source="github")]) == []
    assert [len(deployments.deployments(store, "payments", region)) for region in ("eu", "us")] == [2, 1]


def test_what_has_no_place_is_shown_with_the_reason_until_it_is_told_again_and_has_one(store: Store) -> None:
    assert deployments.record(store, [nowhere("1")]) == []
    assert deployments.record(store, [nowhere("1")]) == []
    assert [one.unrouted for one in deployments.unrouted(store)] == ["no such repository"]
    assert deployments.record(store, [event("1")]) == []
    assert deployments.unrouted(store) == []
    assert len(deployments.deployments(store, "payments", "eu")) == 1


def test_each_place_keeps_its_newest(store: Store) -> None:
    for number in range(NEWEST + 2):
        deployments.record(store, [event(str(number), f"v{number}", minutes_ago=-number)])
    deployments.record(store, [nowhere("x")])
    kept = deployments.deployments(store, "payments", "eu", limit=NEWEST + 9)
    assert (len(kept), kept[0].release, kept[-1].release) == (NEWEST, f"v{NEWEST + 1}", "v2")
    assert len(deployments.unrouted(store)) == 1


def test_the_command_lists_what_was_told_of_a_place_and_what_has_none(store: Store, store_url: str) -> None:
    def sternway(*words: str) -> str:
        said = CliRunner().invoke(app, ["deployments", *words, "--url", store_url], env={"COLUMNS": "200"})
        assert said.exit_code == 0, said.exception
        return said.stdout

    assert sternway("list", "payments", "eu") == "nothing was told of payments in eu\n"
    assert sternway("unrouted") == "every deployment has its place\n"
    deployments.record(store, [event("a", "v1", 9), event("a", "v1", region="us")])
    deployments.record(store, [event("b", "v2", deployer="the pipeline")])
    deployments.record(store, [nowhere("c")])
    assert [one["release"] for one in json.loads(sternway("list", "payments", "eu", "--json"))] == ["v2", "v1"]
    assert "the pipeline" in sternway("list", "payments", "eu", "--limit", "1")
    assert "no such repository" in sternway("unrouted")
    assert [one["reference"] for one in json.loads(sternway("unrouted", "--json"))] == ["c"]
