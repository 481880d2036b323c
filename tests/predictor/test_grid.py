"""Whatever comes, in whatever order: the rows of an entity follow each other, and none knows what came later."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.predictor.grid import LONGEST_GAP_SECONDS, Grid, NotOnTheGrid, Row

MIDNIGHT = datetime(2026, 1, 31, tzinfo=UTC).timestamp()
FIRST = int(MIDNIGHT) // 60
DAY = 1440


def at(seconds: float) -> datetime:
    """After a midnight."""
    return datetime.fromtimestamp(MIDNIGHT + seconds, UTC)


def sample(seconds: float, rate: float = 1.0, share: float | None = 0.0) -> tuple[datetime, tuple[float | None, ...]]:
    """When, and what was measured: a rate, a share that may not be known, and what is in flight."""
    return at(seconds), (rate, share, 2)


def row(number: int, rate: float = 1.0, share: float = 0.0, observed: bool = True, anew: bool = False) -> Row:
    """*number*: rows after a midnight."""
    return Row(FIRST + number, number % DAY, (rate, share, 2), observed, anew)


def begun() -> Grid:
    grid = Grid(60)
    assert grid.lay(*sample(30)) == (row(0, anew=True),)
    return grid


def test_a_sample_makes_the_row_in_which_it_lies() -> None:
    grid = begun()
    assert grid.lay(*sample(60, 2)) == (row(1, 2),)
    assert grid.lay(*sample(179.9, 3)) == (row(2, 3),)


def test_rows_without_a_sample_are_laid_unobserved_with_the_values_before_them() -> None:
    grid = begun()
    assert grid.lay(*sample(210, 9)) == (row(1, observed=False), row(2, observed=False), row(3, 9))


def test_what_is_unknown_in_a_sample_has_the_value_before_it() -> None:
    grid = Grid(60)
    grid.lay(*sample(30, 5, 0.25))
    assert grid.lay(*sample(90, 0, None)) == (row(1, 0, 0.25),)
    assert grid.lay(*sample(210, 0, None)) == (row(2, 0, 0.25, observed=False), row(3, 0, 0.25))


def test_an_entity_begins_with_the_first_sample_that_knows_everything() -> None:
    grid = Grid(60)
    assert grid.lay(*sample(30, 0, None)) == ()
    assert grid.advance(at(300)) == ()
    assert grid.lay(*sample(330, 1, 0.5)) == (row(5, 1, 0.5, anew=True),)


@pytest.mark.parametrize("seconds", [119, 60, 0, -3600], ids=["same row", "same instant", "row before", "hour before"])
def test_a_second_sample_of_a_row_and_a_late_one_are_refused_and_counted(seconds: float) -> None:
    grid = begun()
    grid.lay(*sample(60, 2))
    with pytest.raises(NotOnTheGrid, match=rf"and row {FIRST + 1} is laid already"):
        grid.lay(*sample(seconds, 7))
    assert grid.refused == 1
    assert grid.lay(*sample(120, 3)) == (row(2, 3),)


def test_a_silent_entity_gets_the_rows_that_are_over() -> None:
    grid = begun()
    assert grid.advance(at(59)) == grid.advance(at(119)) == ()
    assert grid.advance(at(180)) == (row(1, observed=False), row(2, observed=False))
    assert grid.advance(at(180)) == grid.advance(at(90)) == ()
    with pytest.raises(NotOnTheGrid):
        grid.lay(*sample(150))
    assert grid.lay(*sample(185, 4)) == (row(3, 4),)


@pytest.mark.parametrize("jump", [1, -1], ids=["forward", "backward"])
def test_after_a_jump_by_more_than_a_day_an_entity_starts_anew(jump: int) -> None:
    grid = begun()
    grid.lay(*sample(90, 2))
    number = 1 + jump * (DAY + 1)
    assert grid.lay(*sample(number * 60, 3)) == (row(number, 3, anew=True),)
    assert grid.lay(*sample(number * 60 + 60, 4)) == (row(number + 1, 4),)


def test_after_a_gap_of_just_a_day_it_goes_on() -> None:
    laid = begun().lay(*sample(LONGEST_GAP_SECONDS, 3))
    assert len(laid) == DAY
    assert laid[-1] == row(DAY, 3)
    assert not any(one.observed for one in laid[:-1])


def test_a_silence_of_more_than_a_day_ends_it_even_if_its_rows_were_asked_for() -> None:
    grid = begun()
    silent = [one for minute in range(3 * DAY) for one in grid.advance(at(60 * minute))]
    assert silent == [row(number, observed=False) for number in range(1, DAY)]
    assert grid.lay(*sample(3 * DAY * 60, 8)) == (row(3 * DAY, 8, anew=True),)


@pytest.mark.parametrize("interval", [0, -60, 7, 86_401])
def test_an_interval_that_divides_no_day_is_refused(interval: int) -> None:
    with pytest.raises(NotOnTheGrid, match="does not divide the day"):
        Grid(interval)


COMINGS = st.lists(st.tuples(st.booleans(), st.integers(0, 3000), st.booleans()), max_size=40)
"""Samples (else looks at the clock), seconds after a midnight, and whether the sample knows everything."""


@given(COMINGS)
def test_rows_follow_each_other_and_know_nothing_of_what_comes_later(comings: list[tuple[bool, int, bool]]) -> None:
    grid, rows, refused = Grid(60), list[Row](), 0
    known: dict[int, tuple[float, float | None]] = {}
    """By row: the rate and the share of the sample that was taken."""
    for number, (is_sample, seconds, complete) in enumerate(comings, 1):
        if not is_sample:
            rows += grid.advance(at(seconds))
            continue
        share = float(number) if complete else None
        try:
            laid = grid.lay(*sample(seconds, number, share))
        except NotOnTheGrid:
            refused += 1
            continue
        if laid:
            assert laid[-1].number == FIRST + seconds // 60
            known[laid[-1].number] = (number, share)
        rows += laid
    assert grid.refused == refused
    assert [one.number for one in rows] == [rows[0].number + place for place in range(len(rows))]
    assert [one.anew for one in rows] == [place == 0 for place in range(len(rows))]
    assert [one.number for one in rows if one.observed] == list(known)
    for one in rows:
        past = [values for number, values in known.items() if number <= one.number]
        rate, shares = past[-1][0], [share for _, share in past if share is not None]
        assert one.values == (rate, shares[-1], 2)
        assert one.slot == one.number - FIRST


@given(st.lists(st.tuples(st.booleans(), st.integers(-400_000, 400_000)), max_size=30))
def test_between_two_beginnings_rows_follow_each_other_wherever_the_clock_jumps(
    comings: list[tuple[bool, int]],
) -> None:
    grid, rows = Grid(3600), list[Row]()
    for is_sample, seconds in comings:
        try:
            rows += grid.lay(*sample(seconds)) if is_sample else grid.advance(at(seconds))
        except NotOnTheGrid:
            continue
    assert rows == [] or rows[0].anew
    for earlier, later in pairwise(rows):
        assert later.number == earlier.number + 1 or (later.anew and later.observed)
        assert later.slot == later.number % 24
