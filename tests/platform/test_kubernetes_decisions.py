"""What the Kubernetes driver writes, decided without a cluster: it promises what the agent's ledger promises."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.driver import Moved, Refused
from activities.platform.drivers.kubernetes import decisions, ledger
from activities.platform.drivers.kubernetes.decisions import Write
from activities.platform.drivers.kubernetes.homes import Home, generation, homes_of
from activities.platform.drivers.kubernetes.ledger import Ledger
from activities.platform.drivers.kubernetes.objects import Deployment
from models.identity import Key
from models.receipt import Conflict, Fence, Fields, Outcome, Receipt
from tests.kubernetes.objects import VERSION, deployment
from workers.ledger import Fenced
from workers.ledger import Ledger as AgentLedger

NOW = datetime(2026, 3, 1, tzinfo=UTC)
RESOURCE = "eu/payments"
RELEASES = ("v1", "v2")


class Namespace:
    """Deployments in memory, written by nobody else while a decision is carried out."""

    def __init__(self) -> None:
        homes = homes_of([seen(release) for release in RELEASES], [], [], VERSION)
        self.homes = {home.release: home for home in homes}

    def carry_out(self, decide: Callable[..., Receipt | Fence | tuple[Write, ...]]) -> Receipt | Fence:
        while isinstance(decided := decide(tuple(self.homes.values()), now=NOW), tuple):
            for write in decided:
                self.set(write.home.release, write.fields, write.ledger)
        return decided

    def set(self, release: str, fields: Fields, book: Ledger | None = None) -> None:
        home = self.homes[release]
        replicas = (home.state | fields)[f"replicas/{release}"]
        spec = home.object.spec.model_copy(update={"replicas": replicas})
        written = home.object.model_copy(update={"spec": spec})
        self.homes[release] = Home(written, release, book or home.ledger, home.state | fields)

    @property
    def generation(self) -> int:
        return generation(tuple(self.homes.values()))


def seen(release: str) -> Deployment:
    made = deployment("payments", release)
    made["metadata"] |= {"uid": release, "resourceVersion": "1", "creationTimestamp": NOW.isoformat()}
    return Deployment.model_validate(made)


Expecting = Literal["now", "before", "anything"]
keys = st.builds(Key, incident=st.sampled_from(["A", "B"]), step=st.sampled_from(["one", "two"]))
calls = st.one_of(
    st.tuples(
        st.just("change"),
        keys,
        st.sampled_from(RELEASES),
        st.integers(0, 2),
        st.sampled_from(["now", "before", "anything"]),
    ),
    st.tuples(st.just("undo"), keys),
    st.tuples(st.just("fence"), st.sampled_from(["A", "B"])),
    st.tuples(st.just("somebody else"), st.sampled_from(RELEASES), st.integers(0, 2)),
)


@given(st.lists(calls, max_size=12))
def test_every_call_comes_to_what_it_comes_to_in_the_agents_ledger(sequence: list[tuple[object, ...]]) -> None:
    there, agent = Namespace(), AgentLedger(":memory:")
    agent.change("INIT:start:do:1", RESOURCE, {"replicas/v1": 0, "replicas/v2": 0}, None, NOW)
    for number, (what, *arguments) in enumerate(sequence):
        match what, arguments:
            case "change", (Key() as key, str(release), int(replicas), expecting):
                fields: Fields = {f"replicas/{release}": replicas}
                theirs, ours = agent.read(RESOURCE).generation, there.generation
                expected = {"now": (theirs, ours), "before": (theirs - 1, ours - 1)}.get(str(expecting), (None, None))
                assert on_kubernetes(there, key, fields, expected[1]) == in_ledger(agent, key, fields, expected[0])
            case "undo", (Key() as key,):
                undone = there.carry_out(lambda homes, now, key=key: decisions.undo(homes, key, RESOURCE, now))
                assert told(undone) == told(agent.undo(str(key), RESOURCE, NOW))
            case "fence", (str(incident),):
                there.carry_out(lambda homes, now, incident=incident: decisions.fence(homes, incident, now))
                agent.fence(incident, NOW)
            case _, (str(release), int(replicas)):
                there.set(release, {f"replicas/{release}": replicas})
                agent.change(f"OTHER:{number}:do:1", RESOURCE, {f"replicas/{release}": replicas}, None, NOW)
    assert decisions.state_of(tuple(there.homes.values())) == agent.read(RESOURCE).state
    for incident in ("A", "B"):
        receipts = decisions.receipts(tuple(there.homes.values()), incident)
        assert [told(receipt) for receipt in receipts] == [told(one) for one in agent.receipts_of(incident)]


def on_kubernetes(there: Namespace, key: Key, fields: Fields, expected: int | None) -> object:
    try:
        return told(there.carry_out(lambda homes, now: decisions.change(homes, key, RESOURCE, fields, expected, now)))
    except Refused:
        return "refused"
    except Moved:
        return "moved"


def in_ledger(agent: AgentLedger, key: Key, fields: Fields, expected: int | None) -> object:
    try:
        answer = agent.change(str(key), RESOURCE, fields, expected, NOW)
    except Fenced:
        return "refused"
    return "moved" if isinstance(answer, Conflict) else told(answer)


def told(receipt: Receipt | Fence) -> object:
    """Without the number of the generation, and the moment."""
    assert isinstance(receipt, Receipt)
    return receipt.key, receipt.resource, receipt.before, receipt.after, receipt.outcome


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_receipt_names_the_generation_that_is_read_afterwards(before: int, after: int) -> None:
    there = Namespace()
    there.set("v1", {"replicas/v1": before})
    key, fields = Key(incident="A", step="one"), {"replicas/v1": after}
    receipt = there.carry_out(lambda homes, now: decisions.change(homes, key, RESOURCE, dict(fields), None, now))
    assert isinstance(receipt, Receipt)
    assert receipt.generation == there.generation


def test_receipts_that_came_with_a_copied_manifest_do_not_mislead_an_undoing() -> None:
    there, key = Namespace(), Key(incident="A", step="one")
    there.carry_out(lambda homes, now: decisions.change(homes, key, RESOURCE, {"replicas/v2": 2}, None, now))
    there.set("v1", {}, there.homes["v2"].ledger)
    undone = there.carry_out(lambda homes, now: decisions.undo(homes, key, RESOURCE, now))
    assert told(undone) == (str(key.undo()), RESOURCE, {"replicas/v2": 2}, {"replicas/v2": 0}, Outcome.RESTORED)


def test_the_key_of_another_resource_is_refused() -> None:
    there, key = Namespace(), Key(incident="A", step="one")
    there.carry_out(lambda homes, now: decisions.change(homes, key, RESOURCE, {"replicas/v1": 2}, None, now))
    with pytest.raises(Refused, match="belongs to eu/payments, not to us/payments"):
        there.carry_out(lambda homes, now: decisions.undo(homes, key, "us/payments", now))


def book(incidents: int, age: timedelta) -> Ledger:
    """Of a hundred receipts an incident, the first of them *age* before now, each other one a second younger."""
    receipts = [
        Receipt(
            key=f"{incident:04}:payments.step-{step}:do:1",
            resource=RESOURCE,
            before={"replicas/v1": 0},
            after={"replicas/v1": 2},
            generation=2**52,
            outcome=Outcome.APPLIED,
            at=NOW - age + timedelta(seconds=incident),
        )
        for incident in range(incidents)
        for step in range(100)
    ]
    return Ledger(receipts=tuple(receipts), fences={f"{incident:04}": NOW - age for incident in range(incidents)})


def test_old_incidents_are_forgotten_as_a_whole_when_there_is_no_room() -> None:
    kept = ledger.with_room(book(4, age=ledger.KEPT + timedelta(days=1)), "Deployment payments-v1", NOW)
    incidents = {Key.parse(receipt.key).incident for receipt in kept.receipts}
    assert len(kept.text()) <= ledger.LARGEST
    assert len(kept.receipts) == 100 * len(incidents)
    assert "0003" in incidents
    assert incidents == kept.fences.keys()


def test_nothing_is_forgotten_while_there_is_room() -> None:
    small = book(1, age=10 * ledger.KEPT)
    assert ledger.with_room(small, "Deployment payments-v1", NOW) == small


def test_young_incidents_are_never_forgotten_and_a_further_change_is_refused() -> None:
    with pytest.raises(Refused, match="receipts of the last 30 days fill"):
        ledger.with_room(book(4, age=timedelta(days=29)), "Deployment payments-v1", NOW)
