"""A run's story holds what it was told, keeps what a shorter answer leaves out, and knows when the run is over."""

from __future__ import annotations

import json

import pytest
from stories import RECOVERED, REGIONS, START, incident, resolved, second, step, told, totals, without

from models.catalog import Level
from models.incident import Milestone, Phase
from workers.local.demo.story import Story

UNDER_WAY = {name: RECOVERED[name] for name in ("received", "protected", "planned")}


def test_a_second_is_kept_with_its_region_and_the_totals_end_the_load() -> None:
    story = Story()
    story.load(second("eu", 7, sent=20, failed=3, last_failure=6.5))
    assert [(s.at, s.sent, s.failed) for s in story.seconds["eu"]] == [(START + 7, 20, 3)]
    assert story.totals is None
    story.load(totals(eu=(20, 3)))
    assert story.totals is not None
    assert story.totals["eu"].failed == 3


def test_a_file_that_is_read_twice_is_counted_once() -> None:
    story = Story()
    for end in (7, 8, 7, 8, 9):
        story.load(second("eu", end))
        story.load(second("us", end))
    assert [s.at - START for s in story.seconds["eu"]] == [7, 8, 9]
    assert [s.at - START for s in story.seconds["us"]] == [7, 8, 9]


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "7", '{"at": 1}', '{"totals": {"eu": {"sent": "many"}}}', second("eu", 7)[:-9]]
)
def test_a_line_that_cannot_be_read_is_counted_and_changes_nothing_else(line: str) -> None:
    story = Story()
    story.load(line)
    assert (story.unreadable, story.seconds, story.totals) == (1, {}, None)


def test_the_shorter_answer_of_the_list_keeps_what_the_longer_one_told() -> None:
    story = Story()
    story.incident(resolved("eu"))
    story.incident(without(resolved("eu"), "steps", "plan", "verdict", "impact"))
    (found,) = story.incidents
    assert len(found.steps) == 5
    assert found.bad == "v2"
    assert found.verdict is not None


def test_an_incident_whose_journal_has_not_arrived_is_known_by_its_id() -> None:
    story = Story()
    story.incident({"id": "01K", "workflow": "incident:eu:payments:0", "phase": None, "steps": [], "links": {}})
    (found,) = story.incidents
    assert (found.region, found.over, found.hold, found.bad) == (None, False, None, None)
    assert found.since_receipt(Milestone.PROTECTED) is None
    assert not story.over(())


def test_a_held_incident_says_why_and_where_it_stands() -> None:
    story = Story()
    story.incident(incident("eu", Phase.EXECUTING, UNDER_WAY))
    story.incident(incident("eu", Phase.HELD, UNDER_WAY, detail="stage soak: undecided"))
    (found,) = story.incidents
    assert (found.hold, found.furthest) == ("stage soak: undecided", Phase.EXECUTING)
    story.incident(resolved("eu"))
    assert (story.incidents[0].hold, story.incidents[0].furthest) == (None, Phase.RESOLVED)


def test_milestones_count_from_the_webhook() -> None:
    story = told(resolved("eu"))
    (found,) = story.incidents
    assert found.since_receipt(Milestone.PROTECTED) == pytest.approx(0.061, abs=1e-6)
    assert found.since_receipt(Milestone.RECOVERED) == pytest.approx(15.5)


ADVISED = incident("us", Phase.ADVISED, {"received": 15}, service="billing", level=Level.ADVISE)
EXECUTING = incident("us", Phase.EXECUTING, UNDER_WAY)
HELD = incident("us", Phase.HELD, UNDER_WAY, detail="undecided")
SECOND = incident("us", Phase.ASSESSING, UNDER_WAY, service="ledger")


@pytest.mark.parametrize(
    ("incidents", "over"),
    [
        ([], False),
        ([resolved("eu")], False),
        ([resolved("eu"), ADVISED], False),
        ([resolved("eu"), EXECUTING], False),
        ([resolved("eu"), resolved("us")], True),
        ([resolved("eu"), resolved("us"), ADVISED], True),
        ([resolved("eu"), HELD], True),
        ([resolved("eu"), resolved("us"), SECOND], False),
    ],
)
def test_a_run_is_over_when_an_acting_incident_of_each_region_has_ended_and_none_goes_on(
    incidents: list[dict[str, object]], over: bool
) -> None:
    story = Story()
    for each in incidents:
        story.incident(json.loads(json.dumps(each)))
    assert story.over(REGIONS) is over


def test_only_the_first_time_counts_for_a_moment() -> None:
    story = Story(clock=lambda: 5.0)
    story.reach("started", 1)
    story.reach("started", 2)
    story.say("here")
    assert story.moments == {"started": 1}
    assert [(note.at, note.text) for note in story.notes] == [(5.0, "here")]


def test_steps_keep_the_order_in_which_they_were_told() -> None:
    story = Story()
    story.incident(incident("eu", Phase.HELD, UNDER_WAY, steps=(step("switch", "done", 16), step("drain", "done", 15))))
    assert [each.record.step for each in story.incidents[0].steps] == ["switch", "drain"]
