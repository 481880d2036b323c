"""Whatever single thing is altered in a chain, the break is found, and no later than at the altered link."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from activities.analytics.store.chain import (
    GENESIS,
    Anchor,
    Break,
    Head,
    Link,
    anchor,
    extend,
    first_anchor_break,
    first_break,
)
from models.journal import JournalEntry

START = datetime(2026, 11, 23, tzinfo=UTC)

entry = st.builds(
    JournalEntry,
    incident=st.just("I"),
    source=st.sampled_from(["incident", "rollback:payments"]),
    source_seq=st.integers(0, 1_000),
    kind=st.sampled_from(["phase", "step", "operator"]),
    at=st.datetimes(timezones=st.just(UTC)),
    payload=st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5), max_size=3),
)
salt = st.binary(min_size=16, max_size=16).map(bytes.hex)


@st.composite
def chains(draw: st.DrawFn, least: int = 1) -> list[Link]:
    entries = draw(st.lists(entry, min_size=least, max_size=6))
    return extend(Head(), entries, [draw(salt) for _ in entries])


def other_digest(digest: str) -> str:
    return ("1" if digest[0] == "0" else "0") + digest[1:]


def altered(link: Link, field: str) -> Link:
    value: Any = getattr(link, field)
    changed: Any = value
    if isinstance(value, int):
        changed = value + 1
    elif isinstance(value, datetime):
        changed = value + timedelta(microseconds=1) if value.year < 9999 else value - timedelta(microseconds=1)
    elif field in {"payload_digest", "previous_hash", "hash", "salt"}:
        changed = other_digest(value)
    elif isinstance(value, str):
        changed = value + " "
    return replace(link, **{field: changed})


FIELDS = st.sampled_from(list(Link.__dataclass_fields__))


@given(chains())
def test_an_untouched_chain_is_whole(links: list[Link]) -> None:
    assert first_break("I", links) is None


@given(chains(), st.data())
def test_a_chain_may_be_written_in_parts(links: list[Link], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(links) - 1))
    again = [
        JournalEntry(incident="I", source=s.source, source_seq=s.source_seq, kind=s.kind, at=s.at, payload={})
        for s in links
    ]
    salts = ["00" * 16] * len(again)
    first = extend(Head(), again[:cut], salts[:cut])
    head = Head(first[-1].seq, first[-1].hash) if first else Head()
    assert first + extend(head, again[cut:], salts[cut:]) == extend(Head(), again, salts)


@given(chains(), FIELDS, st.data())
def test_any_altered_field_is_found(links: list[Link], field: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(links) - 1))
    touched = [*links]
    touched[place] = altered(links[place], field)
    found = first_break("I", touched)
    assert found is not None
    assert found.seq == touched[place].seq


@given(chains(least=2), st.data())
def test_a_missing_event_is_found(links: list[Link], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(links) - 2))
    assert first_break("I", links[:place] + links[place + 1 :]) == Break(place + 2, f"event {place + 1} is missing")


@given(chains(least=2), st.data())
def test_events_that_changed_places_are_found(links: list[Link], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(links) - 2))
    one, two = links[place], links[place + 1]
    swapped = [*links]
    swapped[place] = replace(two, seq=one.seq)
    swapped[place + 1] = replace(one, seq=two.seq)
    found = first_break("I", swapped)
    assert found is not None
    assert found.seq == one.seq


@given(chains(), chains())
def test_a_chain_does_not_pass_for_another_incidents(links: list[Link], others: list[Link]) -> None:
    found = first_break("J", [replace(link, incident="J") for link in links])
    assert found is not None
    assert found.seq == 1


@given(chains(), st.data())
def test_erasing_payload_and_salt_leaves_the_chain_whole(links: list[Link], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(links) - 1))
    erased = [*links]
    erased[place] = replace(links[place], payload=None, salt=None)
    assert first_break("I", erased) is None
    for field in ("payload", "salt"):
        half = [*links]
        half[place] = replace(links[place], **{field: None})
        assert first_break("I", half) == Break(place + 1, "payload and salt are not erased together")


def anchored(number: int) -> list[Anchor]:
    made: list[Anchor] = []
    head = Head()
    for seq in range(1, number + 1):
        made.append(anchor(head, f"I{seq}", Head(seq * 3, "ab" * 32), START))
        head = Head(made[-1].seq, made[-1].hash)
    return made


@given(st.integers(1, 5), st.sampled_from(list(Anchor.__dataclass_fields__)), st.data())
def test_any_altered_anchor_is_found(number: int, field: str, data: st.DataObject) -> None:
    anchors = anchored(number)
    assert first_anchor_break(anchors) is None
    place = data.draw(st.integers(0, number - 1))
    value: Any = getattr(anchors[place], field)
    changed = value + timedelta(seconds=1) if isinstance(value, datetime) else value * 2
    anchors[place] = replace(anchors[place], **{field: changed if changed != value else "1" * 64})
    assert first_anchor_break(anchors) is not None


@given(st.integers(2, 5), st.data())
def test_a_missing_anchor_is_found(number: int, data: st.DataObject) -> None:
    anchors = anchored(number)
    del anchors[data.draw(st.integers(0, number - 2))]
    assert first_anchor_break(anchors) is not None


def test_the_first_link_continues_the_genesis() -> None:
    (first,) = anchored(1)
    assert first.previous_hash == GENESIS
