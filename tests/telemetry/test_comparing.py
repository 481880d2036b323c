"""A comparison ends when it is decided, lasts as long as it was to last, and goes on after a kill where it was."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.analytics.activities import HISTORY_SECONDS
from activities.analytics.contract import CompareRequest
from activities.analytics.overdispersion import DEFAULT, overdispersion
from models.stage import Compare
from models.telemetry import HISTORY_WINDOWS, Count, NoData, Totals, Window, WindowReading
from models.verdict import Finding, Need, Verdict
from tests.telemetry.scripted import LOADED, SCOPE, analytics
from tests.waiting import until
from workers.conversion import data_converter


def count(requests: int, errors: int = 0) -> Count:
    return Count(requests=requests, errors=errors, slow=0)


Counts = tuple[Count, Count]
"""What v1, the target, and v2 count between two looks."""

EVEN: Counts = (count(1000), count(9000))
WORSE: Counts = (count(1000, errors=6), count(9000, errors=9))
"""Not enough by itself."""
MUCH_WORSE: Counts = (count(1000, errors=200), count(9000, errors=9))
MUCH_BETTER: Counts = (count(1000), count(9000, errors=1800))
BOTH_BAD: Counts = (count(1000, errors=100), count(9000, errors=900))


BEGAN = datetime(2024, 5, 1, 12, tzinfo=UTC)
DEPLOYED = BEGAN - timedelta(minutes=90)

History = Sequence[WindowReading] | NoData
FORGETFUL = NoData(service="payments", region="eu", reason="Envoy keeps no history")


def an_hour(*errors: int) -> History:
    """Of v2, with these errors in turn."""
    counts = [count(1000, errors[at % len(errors)]) for at in range(HISTORY_WINDOWS)]
    return [Window(service="payments", region="eu", seconds=15, arms={"v2": each}) for each in counts]


CALM, BURSTY = an_hour(8, 9, 10, 11, 12), an_hour(4, 16)


class Script:
    """Counts as it is written, then as in the last line for ever. *epochs*: at which looks it begins anew. *history*:
    what it tells of the time before; none: it does not answer."""

    def __init__(
        self,
        *lines: Counts | None,
        epochs: Sequence[int] = (),
        frozen: bool = False,
        history: History | None = FORGETFUL,
    ) -> None:
        self._lines, self._epochs, self._frozen, self.past = lines, epochs, frozen, history
        self.asked_until: list[datetime] = []
        self._counted: Counts = (count(0), count(0))
        self._epoch, self._began = 0, datetime.now(UTC)
        self.looks = 0

    async def totals(self, service: str, slow_ms: float | None) -> Totals | NoData:
        line = self._lines[min(self.looks, len(self._lines) - 1)]
        if self.looks in self._epochs:
            self._counted, self._epoch = (count(0), count(0)), self._epoch + 1
        self.looks += 1
        if line is None:
            return NoData(service=service, region="eu", reason="Envoy is away")
        v1, v2 = (
            count(had.requests + more.requests, had.errors + more.errors)
            for had, more in zip(self._counted, line, strict=True)
        )
        self._counted = (v1, v2)
        at = self._began if self._frozen else datetime.now(UTC)
        return Totals(service=service, region="eu", at=at, epoch=str(self._epoch), arms={"v1": v1, "v2": v2})

    async def history(self, service: str, slow_ms: float | None, until: datetime) -> History:
        self.asked_until.append(until)
        if self.past is None:
            await asyncio.Event().wait()
        return self.past or []

    async def in_flight(self, service: str, release: str) -> int | NoData:
        return NoData(service=service, region="eu", reason="a comparison does not ask for it")


def request(need: Need, seconds: float, extension: float) -> CompareRequest:
    gate = Compare(release="v1", need=need, seconds=seconds, extension=extension, min_requests=50)
    return CompareRequest(**SCOPE, gate=gate, began_at=BEGAN, deployed_at=DEPLOYED)


async def compare(
    folder: Path, script: Script, need: Need = Need.NO_HARM, seconds: float = 1.0, extension: float = 30.0
) -> tuple[Verdict, float]:
    """The verdict, and the seconds until then."""
    began = time.monotonic()
    with analytics(script, folder) as activities:
        verdict = await ActivityEnvironment().run(activities.compare, request(need, seconds, extension))
    return verdict, time.monotonic() - began


@pytest.mark.parametrize("need", [Need.BETTER, Need.NO_HARM])
async def test_harm_ends_it_at_once(need: Need, tmp_path: Path) -> None:
    verdict, seconds = await compare(tmp_path, Script(EVEN, MUCH_WORSE), need)
    assert verdict.finding is Finding.FAIL
    assert seconds < 1


async def test_an_improvement_that_is_needed_ends_it_at_once(tmp_path: Path) -> None:
    verdict, seconds = await compare(tmp_path, Script(EVEN, MUCH_BETTER), Need.BETTER)
    assert verdict.passed
    assert seconds < 1


async def test_no_harm_must_hold_for_the_whole_time(tmp_path: Path) -> None:
    verdict, seconds = await compare(tmp_path, Script(EVEN))
    assert verdict.passed
    assert 1 <= seconds < 10


@pytest.mark.parametrize(
    ("script", "need", "why"),
    [
        (Script(BOTH_BAD), Need.NO_HARM, "not within its objectives"),
        (Script(EVEN), Need.BETTER, "not shown to be better yet"),
        (Script(None), Need.NO_HARM, "Envoy is away"),
        (Script(EVEN, EVEN, None), Need.NO_HARM, "Envoy is away"),
        (Script(EVEN, frozen=True), Need.NO_HARM, "the source shows no newer sample"),
    ],
    ids=["both bad", "no better", "dark", "went dark", "frozen"],
)
async def test_what_is_not_decided_is_watched_until_the_end_of_the_extension(
    script: Script, need: Need, why: str, tmp_path: Path
) -> None:
    verdict, seconds = await compare(tmp_path, script, need, seconds=0.5, extension=0.5)
    assert verdict.finding is Finding.INCONCLUSIVE
    assert why in verdict.sentence
    assert 1 <= seconds < 10


async def test_a_source_that_was_restarted_loses_nothing_that_was_seen(tmp_path: Path) -> None:
    script = Script(EVEN, *[WORSE] * 4, EVEN, *[WORSE] * 4, EVEN, epochs=[5])
    verdict, _ = await compare(tmp_path, script, seconds=4.0)
    assert verdict.finding is Finding.FAIL
    alone, _ = await compare(tmp_path, Script(EVEN, *[WORSE] * 4, EVEN))
    assert alone.passed


def bursts(verdict: Verdict) -> tuple[float, str]:
    """The overdispersion, and why it was assumed."""
    (evidence,) = verdict.evidence
    assert evidence.compared
    return evidence.compared.overdispersion, evidence.compared.assumed


async def test_how_errors_come_in_bursts_is_learned_from_what_was_before_the_trouble(tmp_path: Path) -> None:
    script = Script(EVEN, history=CALM)
    verdict, _ = await compare(tmp_path, script)
    learned = overdispersion(CALM, LOADED.catalog.service("payments").slos)["availability"]
    assert bursts(verdict) == (learned.factor, "")
    assert learned.factor < DEFAULT
    assert script.asked_until == [DEPLOYED]


async def test_what_is_learned_decides(tmp_path: Path) -> None:
    little_worse = count(1000, errors=15), count(9000, errors=9)
    for history, finding in ((CALM, Finding.FAIL), (FORGETFUL, Finding.INCONCLUSIVE)):
        script = Script(EVEN, little_worse, EVEN, history=history)
        verdict, _ = await compare(tmp_path, script, Need.BETTER, extension=0.0)
        assert verdict.finding is finding


async def test_a_history_that_does_not_come_delays_a_comparison_by_seconds_and_is_assumed(tmp_path: Path) -> None:
    verdict, seconds = await compare(tmp_path, Script(EVEN, MUCH_WORSE, history=None))
    assert verdict.finding is Finding.FAIL
    assert bursts(verdict) == (DEFAULT, "the telemetry did not answer with a history in 3 s")
    assert seconds < HISTORY_SECONDS + 2


async def test_where_it_is_not_known_when_the_trouble_began_no_history_is_read(tmp_path: Path) -> None:
    script = Script(EVEN, MUCH_WORSE, history=CALM)
    asked = request(Need.NO_HARM, 1, 1).model_copy(update={"began_at": None})
    with analytics(script, tmp_path) as activities:
        verdict = await ActivityEnvironment().run(activities.compare, asked)
    assert bursts(verdict) == (DEFAULT, "when the trouble began is not known")
    assert script.asked_until == []


async def test_whoever_goes_on_has_the_evidence_and_the_time_of_the_one_before(tmp_path: Path) -> None:
    script, said = Script(EVEN, *[WORSE] * 8, EVEN, history=BURSTY), list[tuple[Any, ...]]()
    asked = request(Need.NO_HARM, seconds=4.0, extension=30)
    first, second = ActivityEnvironment(), ActivityEnvironment()
    first.on_heartbeat = lambda *details: said.append(details)
    with analytics(script, tmp_path) as activities:
        stopped = asyncio.create_task(first.run(activities.compare, asked))
        await until(lambda: len(said) == 3, 10, "two windows are seen")
        first.worker_shutdown()
        with pytest.raises(ApplicationError) as handed_over:
            await stopped
        script.past = FORGETFUL
        details = await data_converter.decode(await data_converter.encode(said[2]))
        second.info = dataclasses.replace(second.info, heartbeat_details=details)
        verdict = await second.run(activities.compare, asked)
    assert handed_over.value.type == "HandedOver"
    assert said[2][1].seconds > 0
    (evidence,) = verdict.evidence
    assert evidence.bad >= 4 * 6
    assert bursts(verdict) == (said[2][1].processes["availability"].overdispersion, "")
    assert len(script.asked_until) == 1
    assert verdict.finding is Finding.FAIL
