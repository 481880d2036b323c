"""``sternway points`` and ``sternway holds``: from the store and the platform alone, with no gateway."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from activities.analytics.store import holds, journal, points
from models.base import SternwayError
from models.hold import STERNWAY
from tests.points.conftest import Kept
from tests.store.journal_entries import held
from tests.store.test_points import before_change
from tests.store.test_points import point as a_point
from workers.cli.main import app
from workers.points.lifting import lift

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass
class Said:
    status: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


async def sternway(kept: Kept, *words: str) -> Said:
    """The command in a thread, for it runs a loop of its own. An error that names its cure ends with status 2."""
    environment = {**kept.world.environment, "STERNWAY_STORE_URL": kept.url, "COLUMNS": "200"}
    result = await asyncio.to_thread(CliRunner().invoke, app, words, env=environment)
    refused = result.exception if isinstance(result.exception, SternwayError) else None
    return Said(2 if refused else result.exit_code, result.stdout, str(refused or ""))


def keep(kept: Kept, release: str) -> int:
    """A point of now."""
    now = datetime.now(UTC)
    fresh = a_point(release, taken_at=now, expires_at=now + timedelta(days=7))
    made = points.keep(kept.store, fresh, now + timedelta(days=6))
    assert made
    return made.id


async def test_points_are_listed_and_shown(kept: Kept) -> None:
    id = keep(kept, "v1")
    listed = await sternway(kept, "points", "list", "--service", "payments")
    assert (listed.status, "can be chosen" in listed.out) == (0, True)
    shown = await sternway(kept, "points", "show", str(id))
    assert (shown.status, "0 of 500 failed" in shown.out) == (0, True)
    as_json = (await sternway(kept, "points", "show", str(id), "--json")).json()
    assert (as_json["release"], as_json["incident"]) == ("v1", None)
    assert [one["id"] for one in (await sternway(kept, "points", "list", "--json")).json()] == [id]
    assert (await sternway(kept, "points", "list", "--region", "us")).out.strip() == "no rollback point"


async def test_verify_succeeds_while_every_point_holds_and_fails_when_one_does_not(kept: Kept) -> None:
    good = keep(kept, "v1")
    assert (await sternway(kept, "points", "verify")).status == 0
    bad = keep(kept, "v0")
    verified = await sternway(kept, "points", "verify", "--json")
    assert verified.status == 1
    assert {one["id"]: one["finding"] for one in verified.json()} == {good: "pass", bad: "fail"}
    assert (await sternway(kept, "points", "verify")).status == 0, "what is marked is not asked about again"
    again = await sternway(kept, "points", "verify", str(bad))
    assert (again.status, "how to run v0" in again.out) == (1, True)
    marked = points.point(kept.store, bad)
    assert marked and not marked.point.valid


async def test_a_platform_that_does_not_answer_proves_nothing_and_condemns_nothing(kept: Kept) -> None:
    id = keep(kept, "v1")
    kept.world.urls["AGENT"], url = "http://127.0.0.1:1", kept.world.urls["AGENT"]
    try:
        verified = await sternway(kept, "points", "verify", str(id), "--json")
    finally:
        kept.world.urls["AGENT"] = url
    assert (verified.status, verified.json()[0]["finding"]) == (1, "inconclusive")
    kept_one = points.point(kept.store, id)
    assert kept_one and kept_one.point.valid


async def test_a_point_that_there_is_not_is_named_with_the_cure(kept: Kept) -> None:
    for command in ("show", "verify"):
        said = await sternway(kept, "points", command, "99")
        assert (said.status, "no rollback point 99; `sternway points list`" in said.err) == (2, True)


async def test_a_hold_is_listed_and_lifted_by_somebody_for_a_reason(kept: Kept) -> None:
    journal.append(kept.store, [held("v2")])
    assert [one["release"] for one in (await sternway(kept, "holds", "list", "--json")).json()] == ["v2"]
    assert (await sternway(kept, "holds", "lift", "payments", "eu", "v2")).status == 2, "no reason"
    place = ("payments", "eu", "v2")
    lifted = await sternway(kept, "holds", "lift", *place, "--by", "ada", "--reason", "the provider was at fault")
    assert lifted.status == 0
    assert holds.held(kept.store) == []
    assert "by ada: the provider was at fault" in (await sternway(kept, "holds", "list", "--all")).out
    again = await sternway(kept, "holds", "lift", *place, "--reason", "again")
    assert (again.status, "v2 of payments in eu is not held" in again.err) == (2, True)
    assert (await sternway(kept, "audit", "verify")).status == 0


async def test_a_hold_that_a_newer_release_has_ended_is_listed_until_a_person_lifts_it(kept: Kept) -> None:
    journal.append(kept.store, [held("v2")])
    lift(kept.store, holds.held(kept.store)[0], STERNWAY, "v3 was deployed")
    assert "by Sternway: v3 was deployed" in (await sternway(kept, "holds", "list")).out
    place = ("payments", "eu", "v2")
    refused = await sternway(kept, "holds", "lift", *place, "--by", STERNWAY, "--reason", "?")
    assert (refused.status, "say with --by who does" in refused.err) == (2, True)
    assert (await sternway(kept, "holds", "lift", *place, "--by", "ada", "--reason", "it was the provider")).status == 0
    assert (await sternway(kept, "holds", "list")).out.strip() == "no release is held"


async def test_a_point_before_a_change_is_shown_as_never_chosen(kept: Kept) -> None:
    now = datetime.now(UTC)
    payload = before_change(taken_at=now, expires_at=now + timedelta(days=7)).model_dump(mode="json")
    journal.append(kept.store, [held("v9").model_copy(update={"kind": "point", "payload": payload})])
    assert "never chosen" in (await sternway(kept, "points", "list")).out
