"""The ledger's laws hold for every interleaving of changes, undoings, repeats and re-openings."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from models.identity import Key
from models.receipt import Conflict, Fields, Outcome, Receipt
from workers.ledger import Fenced, Ledger, Snapshot

AT = datetime(2026, 1, 1, tzinfo=UTC)
RESOURCES = ("eu/payments", "us/payments")
fields = st.dictionaries(
    st.sampled_from(["weight/v1", "weight/v2", "drain/v1"]),
    st.one_of(st.none(), st.booleans(), st.integers(0, 2), st.just("1")),
    min_size=1,
    max_size=3,
)


class Laws(RuleBasedStateMachine):
    """A plain model beside the ledger: dictionaries of what each key came to."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.ledger = Ledger(Path(self.folder.name, "ledger.db"))
        self.steps = 0
        self.state: dict[str, Fields] = {name: {} for name in RESOURCES}
        self.generation: dict[str, int] = dict.fromkeys(RESOURCES, 0)
        self.done: dict[Key, Receipt] = {}
        self.undone: dict[Key, Receipt] = {}

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()

    def key(self, resource: str, incident: str = "I") -> Key:
        self.steps += 1
        return Key(incident=incident, step=f"{resource}:{self.steps}")

    @rule(
        resource=st.sampled_from(RESOURCES),
        incident=st.sampled_from(["I", "J"]),
        fields=fields,
        behind=st.integers(-1, 1) | st.none(),
    )
    def change(self, resource: str, incident: str, fields: Fields, behind: int | None) -> None:
        key, now = self.key(resource, incident), self.generation[resource]
        expected = None if behind is None else now - behind
        answer = self.ledger.change(str(key), resource, fields, expected, AT)
        if expected is not None and expected != now:
            assert answer == Conflict(resource=resource, expected=expected, generation=now, state=self.state[resource])
            return
        assert isinstance(answer, Receipt)
        assert answer.outcome is Outcome.APPLIED
        assert answer.after == fields
        assert answer.before == {name: self.state[resource].get(name) for name in fields}
        self.make_so(resource, fields)
        assert answer.generation == self.generation[resource]
        self.done[key] = answer

    def make_so(self, resource: str, fields: Fields) -> None:
        wanted = self.state[resource] | fields
        self.state[resource] = {name: value for name, value in wanted.items() if value is not None}
        self.generation[resource] += 1

    @precondition(lambda self: self.done)
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.done, key=str)))
        receipt = self.done[key]
        current = {name: self.state[receipt.resource].get(name) for name in receipt.after}
        answer = self.ledger.undo(str(key), receipt.resource, AT)
        if key in self.undone:
            assert answer == self.undone[key]
        elif not self.taken_over(key) and all(
            current[n] == v and type(current[n]) is type(v) for n, v in receipt.after.items()
        ):
            assert answer.outcome is Outcome.RESTORED
            self.make_so(receipt.resource, receipt.before)
            assert (answer.before, answer.after) == (receipt.after, receipt.before)
        else:
            assert answer.outcome is Outcome.SUPERSEDED
            assert answer.before == answer.after == current
        assert answer.key == str(key.undo())
        self.undone.setdefault(key, answer)

    def taken_over(self, key: Key) -> bool:
        """Another incident has changed one of its fields since, and that was not taken back."""
        mine, keys = self.done[key], list(self.done)
        return any(
            other.incident != key.incident
            and theirs.resource == mine.resource
            and theirs.after.keys() & mine.after.keys()
            and not (other in self.undone and self.undone[other].outcome is Outcome.RESTORED)
            for other in keys[keys.index(key) + 1 :]
            for theirs in [self.done[other]]
        )

    @precondition(lambda self: self.done)
    @rule(data=st.data(), fields=fields, expected=st.integers(0, 9) | st.none())
    def repeat(self, data: st.DataObject, fields: Fields, expected: int | None) -> None:
        key = data.draw(st.sampled_from(sorted(self.done, key=str)))
        first = self.done[key]
        assert self.ledger.change(str(key), first.resource, fields, expected, AT) == first

    @rule(resource=st.sampled_from(RESOURCES), fields=fields)
    def fence(self, resource: str, fields: Fields) -> None:
        key = str(self.key(resource))
        answer = self.ledger.undo(key, resource, AT)
        assert (answer.outcome, answer.after) == (Outcome.NEVER_HAPPENED, {})
        with pytest.raises(Fenced):
            self.ledger.change(key, resource, fields, None, AT)
        assert self.ledger.undo(key, resource, AT) == answer

    @rule()
    def reopen(self) -> None:
        self.ledger.close()
        self.ledger = Ledger(Path(self.folder.name, "ledger.db"))

    @invariant()
    def ledger_and_model_agree(self) -> None:
        for resource in RESOURCES:
            assert self.ledger.read(resource) == Snapshot(self.generation[resource], self.state[resource])
        moves = [r for r in self.ledger.receipts() if r.outcome in {Outcome.APPLIED, Outcome.RESTORED}]
        assert len(moves) == sum(self.generation.values())


Laws.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestLaws = Laws.TestCase
