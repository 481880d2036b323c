"""Whatever comes between the requests of a late call and those of whoever takes it back: nothing of it stays.

The API server is asked without a wire here, and each request waits for its turn. Every order of turns is gone through,
and in each the late call may end before any of its own, as that of a worker that is killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeVar

import pytest

from activities.driver import Refused, Unavailable
from activities.platform.drivers.kubernetes import KubernetesPlatform, records
from activities.platform.drivers.kubernetes.api import Overtaken
from activities.platform.drivers.kubernetes.deciding import Write
from activities.platform.drivers.kubernetes.objects import Autoscaler, Deployment, Thing, Values, named
from models.catalog import Driver
from models.identity import Key
from models.receipt import Fields, Outcome
from tests.platform import api_server
from tests.platform.cluster import Object

SERVICE = "dispatch"
KEY = Key(incident="01LATE", step="step")

CHANGES: dict[str, Fields] = {
    "the first Deployment": {"replicas/v1": 0},
    "another Deployment": {"replicas/v2": 0},
    "a Deployment and its autoscaler": {"replicas/v2": 5},
    "two Deployments": {"replicas/v1": 5, "replicas/v2": 0},
    "a freeze": {"frozen": True},
}

AnyThing = TypeVar("AnyThing", bound=Thing)


@dataclass
class Objects:
    """What the API server keeps, by ``Kind/name``. A write of what somebody else has written since does nothing."""

    things: dict[str, Thing] = field(default_factory=dict)
    version: int = 0

    def keep(self, part: type[AnyThing], made: Object) -> AnyThing:
        self.version += 1
        made["metadata"] |= {"uid": made["metadata"]["name"], "resourceVersion": str(self.version)}
        made["metadata"].setdefault("creationTimestamp", "2026-03-01T12:00:00Z")
        thing = part.model_validate(made)
        self.things[named(thing)] = thing
        return thing

    def write(self, write: Write) -> Thing:
        now = self.things[named(write.thing)]
        if now.metadata.resource_version != write.thing.metadata.resource_version:
            raise Overtaken
        made = now.model_dump(mode="json", by_alias=True)
        for pointer, value in write.values.items():
            _, part, name = pointer.split("/")
            made[part][name] = value
        made["metadata"]["annotations"][write.annotation] = write.text
        made["metadata"]["generation"] += 1
        return self.keep(type(now), made)

    def of(self, part: type[AnyThing]) -> tuple[AnyThing, ...]:
        return tuple(thing for _, thing in sorted(self.things.items()) if isinstance(thing, part))

    @property
    def wanted(self) -> dict[str, Values]:
        return {name: thing.values for name, thing in self.things.items()}


def three_of_v1_and_two_of_v2() -> Objects:
    objects = Objects()
    objects.keep(Deployment, api_server.deployment(SERVICE, "v1", 3))
    objects.keep(Deployment, api_server.deployment(SERVICE, "v2", 2))
    objects.keep(Autoscaler, api_server.autoscaler("dispatch-v2", 1, 10))
    return objects


class Caller:
    """One who asks the API server, and waits for its turn with each request. *ends_at*: the request before which it
    ends for once, counted from 1."""

    def __init__(self, objects: Objects, process: Process, ends_at: int | None = None) -> None:
        self.objects = objects
        self.waits: asyncio.Future[None] | None = None
        self._rests = asyncio.Event()
        self._asked = 0
        self._ends_at = ends_at
        self.driver = KubernetesPlatform(Driver(kind="kubernetes", url="http://nowhere"))
        vars(self.driver)["_server"] = self
        self.task = asyncio.ensure_future(process(self))
        self.task.add_done_callback(lambda _: self._rests.set())

    async def turn(self) -> None:
        self._asked += 1
        if self._asked == self._ends_at:
            raise Unavailable("its answer was lost")
        self.waits = asyncio.get_running_loop().create_future()
        self._rests.set()
        await self.waits

    async def deployments(self, _: str | None = None) -> tuple[Deployment, ...]:
        await self.turn()
        return self.objects.of(Deployment)

    async def autoscalers(self) -> tuple[Autoscaler, ...]:
        return self.objects.of(Autoscaler)

    async def write(self, write: Write) -> Thing:
        await self.turn()
        return self.objects.write(write)

    async def until_it_rests(self) -> None:
        """It waits for its turn, or is over."""
        await self._rests.wait()

    def go_on(self) -> None:
        assert self.waits
        self.waits.set_result(None)
        self.waits = None
        self._rests.clear()

    async def end(self) -> None:
        self.task.cancel()
        self.waits = None
        await asyncio.wait([self.task])


Process = Callable[[Caller], Awaitable[Any]]
Choose = Callable[[int], int]
"""One of so many, by its number."""


def all_ways() -> Iterator[Choose]:
    """Every way to choose, the last choice varied first."""
    planned: list[int] = []
    while True:
        taken: list[tuple[int, int]] = []

        def choose(of: int, planned: list[int] = planned, taken: list[tuple[int, int]] = taken) -> int:
            taken.append((planned[len(taken)] if len(taken) < len(planned) else 0, of))
            return taken[-1][0]

        yield choose
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        if not taken:
            return
        planned = [number for number, _ in taken[:-1]] + [taken[-1][0] + 1]


async def interleaved(choose: Choose, late: Caller, *others: Caller) -> None:
    """Until all are over. The late call may end before any of its requests."""
    while True:
        for caller in (late, *others):
            await caller.until_it_rests()
        ready = [caller for caller in (late, *others) if caller.waits]
        if not ready:
            return
        chosen = choose(len(ready) + bool(late.waits))
        if chosen < len(ready):
            ready[chosen].go_on()
        else:
            await late.end()


def changing(fields: Fields) -> Process:
    async def change(caller: Caller) -> None:
        try:
            await caller.driver.change(KEY, "eu", SERVICE, dict(fields), None)
        except Refused as refused:
            assert "taken back before it came" in str(refused) or "ended from outside" in str(refused)

    return change


async def undoing(caller: Caller) -> None:
    """Until it is answered, as activities are tried again."""
    try:
        undone = await caller.driver.undo(KEY, "eu", SERVICE)
    except Unavailable:
        undone = await caller.driver.undo(KEY, "eu", SERVICE)
    kept = outcomes(caller.objects)
    assert undone.outcome is kept[-1], "what it was answered is what stands"


async def fencing(caller: Caller) -> dict[str, Values]:
    """What is wanted once it is answered."""
    await caller.driver.fence(KEY.incident)
    return caller.objects.wanted


async def recovering(caller: Caller) -> None:
    """As ``sternway undo`` does it: nothing new comes any more, and what is there is taken back."""
    await caller.driver.fence(KEY.incident)
    if await caller.driver.receipts(KEY.incident):
        await caller.driver.undo(KEY, "eu", SERVICE)


async def deploying(caller: Caller) -> None:
    """Somebody makes another Deployment, the first by name."""
    await caller.turn()
    caller.objects.keep(Deployment, api_server.deployment(SERVICE, "v0", 1))


def outcomes(objects: Objects) -> list[Outcome]:
    things = chain(objects.of(Deployment), objects.of(Autoscaler))
    return [receipt.outcome for receipt in records.receipts_of(things, KEY.incident)]


NOTHING_STAYED = ([Outcome.NEVER_HAPPENED], [Outcome.APPLIED, Outcome.RESTORED])


@pytest.mark.parametrize("fields", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("ends_at", [None, 2, 3], ids=["", "begun twice", "begun twice, half done"])
async def test_a_late_call_and_its_undoing_leave_everything_as_it_was(fields: Fields, ends_at: int | None) -> None:
    for choose in all_ways():
        objects = three_of_v1_and_two_of_v2()
        before = objects.wanted
        undo = Caller(objects, undoing, ends_at)
        await interleaved(choose, Caller(objects, changing(fields)), undo)
        undo.task.result()
        assert objects.wanted == before
        assert outcomes(objects) in NOTHING_STAYED


async def test_it_does_so_also_while_somebody_makes_another_deployment() -> None:
    for choose in all_ways():
        objects = three_of_v1_and_two_of_v2()
        before = objects.wanted
        undo, deploy = Caller(objects, undoing), Caller(objects, deploying)
        await interleaved(choose, Caller(objects, changing({"frozen": True})), undo, deploy)
        undo.task.result()
        assert objects.wanted == {**before, "Deployment/dispatch-v0": {"/spec/replicas": 1, "/spec/paused": False}}


async def test_once_its_incident_is_fenced_a_late_call_changes_nothing_be_there_another_deployment() -> None:
    for choose in all_ways():
        objects = three_of_v1_and_two_of_v2()
        fence, deploy = Caller(objects, fencing), Caller(objects, deploying)
        await interleaved(choose, Caller(objects, changing({"frozen": True})), fence, deploy)
        made = {"Deployment/dispatch-v0": {"/spec/replicas": 1, "/spec/paused": False}}
        assert {**made, **objects.wanted} == {**made, **fence.task.result()}


@pytest.mark.parametrize("fields", CHANGES.values(), ids=CHANGES)
async def test_a_late_call_whose_incident_is_fenced_and_undone_leaves_everything_as_it_was(fields: Fields) -> None:
    for choose in all_ways():
        objects = three_of_v1_and_two_of_v2()
        before = objects.wanted
        recovery = Caller(objects, recovering)
        await interleaved(choose, Caller(objects, changing(fields)), recovery)
        recovery.task.result()
        assert objects.wanted == before
        assert outcomes(objects) in ([], [Outcome.APPLIED, Outcome.RESTORED])
