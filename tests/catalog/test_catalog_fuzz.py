"""Whatever stands in the file, the answer is a catalog or a problem with its line, and it comes soon."""

from __future__ import annotations

import random
import time

import pytest
from catalogs import ENVIRONMENT, RIGHT
from hypothesis import given, settings
from hypothesis import strategies as st

from models.catalog_file import CatalogError, parse
from models.catalog_text import MAX_CHARACTERS

SOON = 10.0
"""Seconds: generous for a shared machine, and far below what anything quadratic in a megabyte takes."""


def answer(text: str) -> list[str]:
    """The problems of *text*; each has a line that the text has."""
    try:
        parse(text, "catalog.yaml", ENVIRONMENT)
    except CatalogError as error:
        assert error.problems
        lines = text.count("\n") + 1
        assert all(1 <= problem.line <= lines and problem.message for problem in error.problems), str(error)
        return [problem.message for problem in error.problems]
    return []


LINES = RIGHT.split("\n")
INDICATORS = list("{}[]&*!|>%@`'\",:-?#~")
PIECES = [
    "${",
    "${A}",
    "${A:-",
    "$${",
    "&a",
    "*a",
    "---",
    "...",
    "!!binary",
    "!!int",
    "!!float",
    "!!bool",
    "!!set",
    "!x",
    "0x",
    ".nan",
    "1:30",
    "2026-99-99",
    "é",
]
fragments = st.sampled_from([*LINES, *INDICATORS, *PIECES, "<<: *a", "\t", "\n", "\x00", "\ufeff"])


@settings(max_examples=300, deadline=None)
@given(st.text() | st.lists(fragments, max_size=30).map("\n".join) | st.lists(fragments, max_size=30).map(" ".join))
def test_any_text_is_a_catalog_or_has_problems_with_lines(text: str) -> None:
    answer(text)


values = st.recursive(
    st.sampled_from(
        ["", "1", "eu", "envoy", "${EU_MESH}", "${X}", "~", "!!float x", "!!int", "!!null a", "&a 1", "*a"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(st.sampled_from(["kind", "url", "level", "<<", "eu"]), inner, max_size=3).map(
            lambda entries: "{" + ", ".join(f"{key}: {value}" for key, value in entries.items()) + "}"
        )
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, RIGHT.count("\n") - 1), values, st.booleans())
def test_any_value_in_any_place_is_right_or_a_problem_with_its_line(line: int, value: str, drop: bool) -> None:
    lines = [str(line) for line in RIGHT.split("\n")]
    name = lines[line].split(":")[0]
    lines[line : line + 1] = [] if drop else [f"{name}: {value}"]
    answer("\n".join(lines))


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False))
def test_spoiled_characters_are_a_problem_with_their_line(chance: random.Random) -> None:
    characters = list(RIGHT)
    for _ in range(chance.randint(1, 6)):
        characters[chance.randrange(len(characters))] = chance.choice("{}[]:,#&*!|>'\"%@`-? \n\t$x0")
    answer("".join(characters))


def bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 20)]
    return "\n".join(lines)


def services(count: int, entry: str) -> str:
    head, tail = RIGHT.split("services:\n")
    return head + "services:\n" + "".join(f"  s{n}: {entry.format(n=n)}\n" for n in range(count)) + tail


FULL = MAX_CHARACTERS - 2000
SLO = "slos: {{availability: {{objective: 99}}}}"
HEAVY = {
    "too large": "a" * (MAX_CHARACTERS + 1),
    "deep lists": "[" * FULL,
    "deep mappings": "{a: " * (FULL // 4),
    "deep blocks": "\n".join(" " * n + "a:" for n in range(1000)),
    "dashes": "- " * (FULL // 2),
    "questions": "? " * (FULL // 2),
    "an alias bomb": bomb(),
    "an alias of itself": "a: &a [*a]",
    "anchors": "&a " * (FULL // 3),
    "one long key": f'"{"k" * FULL}": 1',
    "one long variable": "a: ${" + "A" * FULL,
    "many open variables": "a: " + "${" * (FULL // 2),
    "a long number": "version: " + "9" * FULL,
    "a long float": "version: 1." + "9" * FULL,
    "a long sexagesimal": "version: 1" + ":1" * (FULL // 2),
    "a long hexadecimal": "version: 0x" + "f" * FULL,
    "many unknown names": services(4000, "{{tier: 1, regions: [eu], port: 1, depends_on: [t{n}, u{n}], " + SLO + "}}"),
    "many unknown fields": services(
        2000, "{{" + ", ".join(f"{name}x: 1" for name in ("tier", "regions", "port")) + "}}"
    ),
    "one long circle": services(6000, "{{tier: 1, regions: [eu], port: {n}, depends_on: [s{n}, s0], " + SLO + "}}"),
    "many keys twice": "a: 1\n" * (FULL // 5),
    "many merges": "a: &a {b: 1}\n" + "c:\n" + "  <<: *a\n" * (FULL // 10),
}


@pytest.mark.parametrize("name", HEAVY)
def test_the_answer_to_a_heavy_file_comes_soon(name: str) -> None:
    start = time.monotonic()
    assert answer(HEAVY[name])
    assert time.monotonic() - start < SOON


def test_a_large_catalog_is_loaded_soon() -> None:
    text = services(3000, "{{tier: 1, regions: [eu, us], port: 1{n:04}, depends_on: [ledger], " + SLO + "}}")
    start = time.monotonic()
    assert len(parse(text, "catalog.yaml", ENVIRONMENT).catalog.services) == 3002
    assert time.monotonic() - start < SOON
