"""The report attributes failures in time, calls a run healthy only when that is known, and never turns unknown to 0."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console
from stories import RECOVERED, REGIONS, START, incident, resolved, second, step, told, totals

from models.catalog import Level
from models.incident import Phase
from workers.local.demo.report import Report, as_json, make_report, render
from workers.local.demo.story import Story

UNDER_WAY = {name: RECOVERED[name] for name in ("received", "protected", "planned")}
HELD = incident("us", Phase.HELD, UNDER_WAY, detail="stage soak: undecided", steps=(step("protect", "done", 15),))


def report_of(story: Story, regions: tuple[str, ...] = REGIONS) -> Report:
    return make_report(story, fault="errors", service="payments", target="v1", regions=regions, at=START + 40)


def page(report: Report, width: int = 100) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(render(report))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_a_recovered_run_is_healthy_and_tells_its_times_and_deeds() -> None:
    report = report_of(told(resolved("us"), resolved("eu")))
    assert report.problems == ()
    assert report.healthy
    assert report.seconds == 40
    assert report.released == {"eu": {"v1": 100, "v2": 0}, "us": {"v1": 100, "v2": 0}}
    eu, us = report.incidents
    assert (eu.region, us.region) == ("eu", "us")
    assert (eu.first_action_ms, eu.contained_s, eu.recovered_s) == (61, 3.5, 15.5)
    assert (eu.strategy, eu.bad, eu.target) == ("immediate", "v2", "v1")
    assert eu.done == ("scale v1 from 0 to 2", "route 100% to v1", "drain v2", "scale v2 from 2 to 0")
    assert eu.undone == ("protect the callers of payments (lifted: the service is verified)",)
    assert eu.unsettled == ()


def test_failures_are_told_apart_by_the_second_in_which_they_came() -> None:
    # Protected at 14.061 s: the seconds that end at 11 to 15 begin before it, those that end at 16 and 17 after it.
    counted = report_of(told(resolved("eu"), resolved("us"))).requests_by_region["eu"]
    assert counted.model_dump() == {
        "sent": 600,
        "ok": 565,
        "failed": 35,
        "failed_before_protection": 25,
        "failed_between_protection_and_recovery": 10,
        "failed_after_recovery": 0,
    }


@pytest.mark.parametrize(
    ("failed", "last_failure", "after"),
    [
        (0, None, 0),
        (2, 29.4, 0),
        (2, 29.6, 1),
        (2, 31.5, 2),
    ],
    ids=["none", "sent before the recovery, answered after it", "sent in the second of the recovery", "sent after it"],
)
def test_a_failure_counts_against_the_recovery_by_when_it_was_sent(
    failed: int, last_failure: float | None, after: int
) -> None:
    story = Story()
    for end in range(10, 36):
        failing = failed if end == (32 if last_failure != 29.6 else 30) else 0
        story.load(second("eu", end, failed=failing, last_failure=last_failure if end >= 30 else None))
    story.load(totals(eu=(520, failed)))
    story.routed("eu", {"v1": 100})
    story.incident(resolved("eu"))
    report = report_of(story, ("eu",))
    assert report.requests.failed_after_recovery == after
    assert report.healthy is (after == 0)
    assert any("after the recovery" in problem for problem in report.problems) is (after > 0)


def test_a_held_incident_is_not_healthy_and_says_why() -> None:
    report = report_of(told(resolved("eu"), HELD))
    assert not report.healthy
    assert "incident 01KUSPAYMENTS of payments in us is held: stage soak: undecided" in report.problems
    held = report.incidents[1]
    assert (held.phase, held.outcome, held.contained_s) == (Phase.HELD, "stage soak: undecided", None)
    counted = report.requests_by_region["us"]
    assert (counted.failed_between_protection_and_recovery, counted.failed_after_recovery) == (10, None)
    assert report.requests.failed_after_recovery is None


def test_without_any_incident_nothing_is_known_of_protection_and_recovery() -> None:
    report = report_of(told())
    assert not report.healthy
    assert "no incident of payments in eu has done anything" in report.problems
    assert report.requests.failed == 70
    assert report.requests.failed_before_protection is None
    assert report.requests.failed_between_protection_and_recovery is None
    assert report.requests.failed_after_recovery is None


def test_an_advised_incident_is_named_and_recovers_nothing() -> None:
    advised = incident("us", Phase.ADVISED, {"received": 15}, service="billing", level=Level.ADVISE)
    report = report_of(told(resolved("eu"), resolved("us"), advised))
    assert report.healthy
    assert report.advised == ("billing in us",)
    assert len(report.incidents) == 2


def test_a_run_that_never_came_to_users_knows_nothing_of_them() -> None:
    report = report_of(Story())
    assert set(report.requests.model_dump().values()) == {None}
    assert report.seconds is None
    assert not report.healthy


def _load_cut_off(story: Story) -> None:
    story.totals = None


def _line_cut_off(story: Story) -> None:
    story.load(second("eu", 36)[:40])


def _not_read_back(story: Story) -> None:
    del story.weights["us"]


def _still_bad(story: Story) -> None:
    story.routed("us", {"v1": 90, "v2": 10})


def _broken_off(story: Story) -> None:
    story.fail("not over within 95 s")


def _quiet_after_recovery(story: Story) -> None:
    story.seconds["us"] = [s for s in story.seconds["us"] if s.at < START + 30]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_load_cut_off, "the load generator gave no totals"),
        (_line_cut_off, "1 lines of the load generator could not be read"),
        (_not_read_back, "what serves payments in us is not known"),
        (_still_bad, "payments in us is served by v1 90%, v2 10%, not by v1 alone"),
        (_broken_off, "not over within 95 s"),
        (_quiet_after_recovery, "how many requests failed after the recovery in us is not known"),
    ],
)
def test_what_is_missing_or_wrong_never_passes(change: object, problem: str) -> None:
    story = told(resolved("eu"), resolved("us"))
    assert callable(change)
    change(story)
    report = report_of(story)
    assert not report.healthy
    assert any(found.startswith(problem) for found in report.problems)


def test_a_resolved_incident_without_a_passed_verdict_is_not_healthy() -> None:
    for passed in (None, False):
        unverified = incident("us", Phase.RESOLVED, RECOVERED, passed=passed)
        report = report_of(told(resolved("eu"), unverified))
        assert report.problems == ("payments in us was not verified healthy",)


def test_the_json_is_one_line_and_says_null_for_unknown() -> None:
    text = as_json(report_of(told(resolved("eu"), HELD)))
    assert "\n" not in text
    read = json.loads(text)
    assert (read["incidents"][0]["from"], read["incidents"][0]["to"]) == ("v2", "v1")
    assert read["incidents"][1]["recovered_s"] is None
    assert read["requests"]["failed_after_recovery"] is None
    assert read["healthy"] is False


def test_the_page_says_what_the_report_says() -> None:
    shown = page(report_of(told(resolved("eu"), resolved("us"))))
    assert "✓ healthy" in shown
    for text in ("61.0 ms", "3.5 s", "15.5 s", "v1 100%", "1,200", "↶ undone", "lifted", "http://ui/eu/payments"):
        assert text in shown


def test_the_page_shows_unknown_as_unknown_and_reads_no_markup() -> None:
    shown = page(report_of(told(incident("eu", Phase.HELD, UNDER_WAY, detail="[bold]odd[/bold] reason"))))
    assert "NOT known to be healthy" in shown
    assert "[bold]odd[/bold] reason" in shown
    (row,) = [line for line in shown.splitlines() if line.startswith("failed after recovery")]
    assert row.split() == ["failed", "after", "recovery", "unknown", "unknown", "unknown"]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=3, max_size=30),
    st.floats(0, 30),
    st.floats(0, 30),
)
@example([(0, False), (1, False), (0, False)], 1.2, 0.3)
def test_every_failure_is_counted_in_exactly_one_part(
    failures: list[tuple[int, bool]], protected: float, until_recovery: float
) -> None:
    story, last = Story(), None
    for end, (failed, early) in enumerate(failures, start=1):
        last = (end - 0.9 if early else end - 0.1) if failed else last
        story.load(second("eu", end, failed=failed, last_failure=last))
    story.load(totals(eu=(20 * len(failures), sum(failed for failed, _ in failures))))
    story.incident(resolved("eu", received=0, protected=protected, recovered=protected + until_recovery))
    counted = report_of(story, ("eu",)).requests
    parts = [
        counted.failed_before_protection,
        counted.failed_between_protection_and_recovery,
        counted.failed_after_recovery or 0,
    ]
    known = [part for part in parts if part is not None]
    assert len(known) == 3
    assert sum(known) == counted.failed
    assert min(known) >= 0
