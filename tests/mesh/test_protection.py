"""Protection is a lease: enforced at once, over by itself, and never more than its token allows."""

from __future__ import annotations

import signal
import time
from collections import Counter

import pytest
from ulid import ULID

from activities.breaker.drivers.envoy import EnvoyProtector
from activities.driver import Refused, Unavailable
from activities.mesh.drivers.envoy import EnvoyMesh
from models.catalog import FallbackAction, LimitAction, Protection, RetriesAction, WeightAction
from models.lease import LeaseRequest
from tests.mesh.load import Load, ask
from tests.mesh.stage import OPERATE, PROTECT, Stage
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

OVERFLOW = "503 upstream connect error or disconnect/reset before headers. reset reason: overflow"


def request(protection: Protection, seconds: float = 60, owner: str = "01OWNER") -> LeaseRequest:
    return LeaseRequest(id=str(ULID()), owner=owner, service="payments", protection=protection, seconds=seconds)


async def under_load(stage: Stage) -> set[str]:
    """What fifty requests are answered that do not wait for each other."""
    async with Load(stage.port) as load:
        await until(lambda: load.total >= 50, 5, "fifty answers")
    return set(load.answers)


async def answers(stage: Stage, number: int = 40) -> set[str]:
    return {await ask(stage.port) for _ in range(number)}


async def test_a_limit_bounds_the_requests_in_flight_and_is_gone_after_its_release(stage: Stage) -> None:
    stage.one.delay = 0.05
    lease = await stage.protector.take(request(LimitAction(max_requests=2)))
    assert (lease.active, lease.pending) == (True, ())
    async with Load(stage.port) as limited:
        await until(lambda: limited.total > 100, 5, "a hundred answers")
    assert limited.failed.keys() == {OVERFLOW}
    assert (await stage.protector.release(lease.id)).active is False
    async with Load(stage.port) as free:
        await until(lambda: free.total > 100, 5, "a hundred answers")
    assert free.failed == {}


async def test_a_person_s_limit_is_in_the_place_of_a_stricter_one_and_of_no_other_protection(stage: Stage) -> None:
    stage.one.delay = 0.05
    await stage.protector.take(request(LimitAction(max_requests=1)))
    word = request(LimitAction(max_requests=1000)).model_copy(update={"override": True})
    lease = await stage.protector.take(word)
    assert lease.override
    assert await under_load(stage) == {"200 v1"}
    await stage.protector.take(request(FallbackAction(share=100)))
    assert await answers(stage) == {"200 c1"}
    await stage.protector.release(word.id)
    assert (await stage.protector.renew(word.id, 60)).active is False


async def test_without_retries_a_request_is_sent_once_and_is_tried_again_after_the_release(stage: Stage) -> None:
    stage.agent.set(stage.one, stage.far, stage.cache)
    await stage.settled()
    lease = await stage.protector.take(request(RetriesAction(max_percent=0)))
    assert lease.pending == ()
    stage.one.resets = True
    # More than two in a row, and its proxy would leave it out.
    assert {answer[:3] for answer in await answers(stage, 2)} == {"503"}
    await stage.protector.release(lease.id)
    assert await answers(stage) == {"200 v1"}, "another region answers"


async def test_what_the_fallback_leaves_goes_to_the_releases_by_their_shares(stage: Stage) -> None:
    await stage.mesh.change(stage.key(), "payments", {"weight/v1": 10, "weight/v2": 90}, None)
    await stage.protector.take(request(FallbackAction(share=50)))
    answers = Counter([await ask(stage.port) for _ in range(600)])
    assert 10 < answers["200 v1"] < 60, answers
    assert 230 < answers["200 c1"] < 370, answers


async def test_a_fallback_answers_its_share(stage: Stage) -> None:
    lease = await stage.protector.take(request(FallbackAction(share=100)))
    assert lease.pending == ()
    assert await answers(stage) == {"200 c1"}
    await stage.protector.release(lease.id)
    assert await answers(stage) == {"200 v1"}


async def test_a_cap_takes_the_newest_release_s_share_away_also_when_the_weights_change_under_it(stage: Stage) -> None:
    stage.agent.newest = "v2"
    await stage.mesh.change(stage.key(), "payments", {"weight/v1": 0, "weight/v2": 100}, None)
    before = await stage.generation()
    lease = await stage.protector.take(request(WeightAction(max_percent=0)))
    assert await answers(stage) == {"200 v1"}
    assert await stage.generation() == before, "a lease does not move the intent"
    assert (await stage.mesh.read("payments")).weights == {"v1": 0, "v2": 100}
    await stage.mesh.change(stage.key(), "payments", {"weight/v1": 50, "weight/v2": 50}, None)
    assert await answers(stage) == {"200 v1"}
    await stage.protector.release(lease.id)
    assert await answers(stage) == {"200 v1", "200 v2"}


async def test_a_cap_is_refused_where_nobody_else_could_take_the_rest(stage: Stage) -> None:
    stage.agent.set(stage.two, stage.cache)
    await stage.settled()
    stage.agent.newest = "v2"
    with pytest.raises(Refused, match="no ready replica of another release than v2"):
        await stage.protector.take(request(WeightAction(max_percent=10)))


async def test_a_lease_that_is_not_renewed_lapses_and_its_id_is_spent(stage: Stage) -> None:
    wanted = request(FallbackAction(share=100), seconds=0.5)
    taken = await stage.protector.take(wanted)
    assert await stage.protector.take(wanted) == taken, "the same id gets the same lease"
    renewed = await stage.protector.renew(wanted.id, 1.0)
    assert renewed.expires_at > taken.expires_at

    async def lapsed() -> bool:
        return await ask(stage.port) == "200 v1"

    await until(lapsed, 5, "the protection has lapsed")
    with pytest.raises(Refused, match="410"):
        await stage.protector.take(wanted)
    assert (await stage.protector.renew(wanted.id, 60)).active is False


async def test_releasing_what_was_never_taken_keeps_a_late_take_out(stage: Stage) -> None:
    wanted = request(LimitAction(max_requests=1))
    assert (await stage.protector.release(wanted.id)).active is False
    with pytest.raises(Refused, match="410"):
        await stage.protector.take(wanted)


async def test_fencing_an_incident_lifts_its_leases_and_keeps_new_ones_out(stage: Stage) -> None:
    ours = await stage.protector.take(request(FallbackAction(share=100), owner="01FENCED"))
    theirs = await stage.protector.take(request(LimitAction(max_requests=1000)))
    assert (await stage.mesh.fence(ours.owner)).lifted == (ours.id,)
    assert await answers(stage) == {"200 v1"}
    assert (await stage.protector.renew(ours.id, 60)).active is False
    with pytest.raises(Refused, match="ended from outside"):
        await stage.protector.take(request(FallbackAction(share=100), owner="01FENCED"))
    assert (await stage.protector.renew(theirs.id, 60)).active is True


async def test_a_lease_outlives_the_control_plane_s_death_but_not_its_time(stage: Stage) -> None:
    kept = await stage.protector.take(request(FallbackAction(share=100), seconds=60))
    short = await stage.protector.take(request(LimitAction(max_requests=1), seconds=0.2))
    stage.stop("plane", signal.SIGKILL)
    await until(lambda: time.time() > short.expires_at.timestamp(), 2, "the short lease is over")
    stage.start("plane")
    await stage.settled()
    assert [lease["id"] for lease in stage.status["leases"]] == [kept.id]
    assert await answers(stage) == {"200 c1"}


@pytest.mark.parametrize(
    ("protection", "meanwhile"),
    [
        (FallbackAction(share=100), {"200 c1"}),
        (WeightAction(max_percent=0), {"200 v1"}),
        (LimitAction(max_requests=1), {"200 v2", OVERFLOW}),
    ],
    ids=["fallback", "weight", "limit"],
)
async def test_the_proxy_lifts_protection_by_itself_when_nobody_is_left_to_lift_it(
    stage: Stage, protection: Protection, meanwhile: set[str]
) -> None:
    stage.agent.newest = "v2"
    stage.two.delay = 0.02
    await stage.mesh.change(stage.key(), "payments", {"weight/v1": 0, "weight/v2": 100}, None)
    await stage.protector.take(request(protection, seconds=1))
    stage.stop("plane", signal.SIGKILL)
    assert await under_load(stage) == meanwhile

    async def lifted() -> bool:
        return await under_load(stage) == {"200 v2"}

    await until(lifted, 8, "the proxy has dropped the protection and routes as before")
    stage.start("plane")
    await stage.settled()
    assert await under_load(stage) == {"200 v2"}
    assert stage.status["leases"] == []


@pytest.mark.parametrize("token", [PROTECT, "wrong", ""])
async def test_routing_is_changed_with_the_operate_token_only(stage: Stage, token: str) -> None:
    mesh = EnvoyMesh(stage.url, token)
    before = await stage.mesh.read("payments")
    with pytest.raises(Refused, match=r"40[13]"):
        await mesh.change(stage.key(), "payments", {"weight/v1": 100}, None)
    with pytest.raises(Refused, match=r"40[13]"):
        await mesh.undo(stage.key(), "payments")
    assert await stage.mesh.read("payments") == before


async def test_leases_need_one_of_the_two_tokens(stage: Stage) -> None:
    wanted = request(LimitAction(max_requests=1000))
    with pytest.raises(Refused, match="403"):
        await EnvoyProtector(stage.url, "wrong").take(wanted)
    operator = EnvoyProtector(stage.url, OPERATE)
    assert (await operator.take(wanted)).active
    assert not (await operator.release(wanted.id)).active


@pytest.mark.parametrize(
    "wanted",
    [
        request(LimitAction(max_requests=1), seconds=0),
        request(LimitAction(max_requests=1), seconds=1e9),
        request(FallbackAction(share=10)).model_copy(update={"service": "cache"}),
        request(FallbackAction(share=10)).model_copy(update={"service": "nobody"}),
    ],
    ids=["no time", "for ever", "no fallback", "no such service"],
)
async def test_protection_that_makes_no_sense_is_refused(stage: Stage, wanted: LeaseRequest) -> None:
    with pytest.raises(Refused, match=r"4(04|22)"):
        await stage.protector.take(wanted)


async def test_a_control_plane_that_does_not_answer_is_unavailable(stage: Stage) -> None:
    with pytest.raises(Unavailable):
        await EnvoyMesh("http://127.0.0.1:9", OPERATE).read("payments")
    with pytest.raises(Unavailable):
        await EnvoyProtector("http://127.0.0.1:9", PROTECT).release("x")
