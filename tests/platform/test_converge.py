"""Which replicas start and which leave: a table, and what holds for every mixture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.local.agent.converge import LONGEST_DELAY, Moves, Standing, Vacancy, moves, vacancy

OLD, MIDDLE, NEW = "01A", "01B", "01C"


@pytest.mark.parametrize(
    ("wanted", "standing", "vacancies", "expected"),
    [
        (2, [], [], Moves(start=(0, 0))),
        (1, [Standing(OLD, True)], [], Moves()),
        (1, [Standing(OLD, True), Standing(NEW, True)], [], Moves(drain=(NEW,))),
        (1, [Standing(OLD, False), Standing(NEW, True)], [], Moves(drain=(OLD,))),
        (1, [Standing(OLD, False), Standing(MIDDLE, True), Standing(NEW, False)], [], Moves(drain=(NEW, OLD))),
        (0, [Standing(OLD, True)], [Vacancy(3, 5.0)], Moves(drain=(OLD,))),
        (1, [], [Vacancy(2, 11.0)], Moves(vacancies=(Vacancy(2, 11.0),))),
        (1, [], [Vacancy(2, 10.0)], Moves(start=(2,))),
        (2, [Standing(OLD, True, leaving=True), Standing(MIDDLE, True)], [], Moves(start=(0,))),
        (1, [Standing(OLD, True, leaving=True), Standing(NEW, False)], [], Moves()),
        (1, [Standing(OLD, True, leaving=True), Standing(NEW, True)], [], Moves(drain=(OLD,))),
        (0, [Standing(OLD, True, leaving=True), Standing(NEW, True)], [], Moves(drain=(NEW, OLD))),
        (3, [], [Vacancy(1, 9.0), Vacancy(2, 12.0)], Moves(start=(1, 0), vacancies=(Vacancy(2, 12.0),))),
        (1, [], [Vacancy(1, 12.0), Vacancy(2, 9.0)], Moves(start=(2,))),
    ],
)
def test_moves_at_ten(wanted: int, standing: list[Standing], vacancies: list[Vacancy], expected: Moves) -> None:
    assert moves(wanted, standing, vacancies, now=10.0) == expected


@given(
    st.integers(0, 6),
    st.dictionaries(st.text("ABC", min_size=1, max_size=3), st.booleans(), max_size=6),
    st.lists(st.builds(Vacancy, st.integers(1, 9), st.floats(0, 20)), max_size=4),
)
def test_moves_lead_to_what_is_wanted(wanted: int, replicas: dict[str, bool], vacancies: list[Vacancy]) -> None:
    standing = [Standing(id, ready) for id, ready in replicas.items()]
    decided = moves(wanted, standing, vacancies, now=10.0)
    assert len(standing) - len(decided.drain) + len(decided.start) + len(decided.vacancies) == wanted
    stay = [replica for replica in standing if replica.id not in decided.drain]
    if any(not replica.ready for replica in stay):
        assert all(not replicas[id] for id in decided.drain)
    assert all(vacancy.due > 10.0 for vacancy in decided.vacancies)


@given(
    st.integers(0, 6),
    st.dictionaries(
        st.text("ABC", min_size=1, max_size=3), st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=6
    ),
)
def test_a_replica_that_is_leaving_serves_until_as_many_as_are_wanted_serve_without_it(
    wanted: int, replicas: dict[str, tuple[bool, bool]]
) -> None:
    standing = [Standing(id, ready, leaving) for id, (ready, leaving) in replicas.items()]
    decided = moves(wanted, standing, [], now=10.0)
    ready = {replica.id for replica in standing if replica.ready}
    assert len(ready - set(decided.drain)) >= min(wanted, len(ready))
    staying = [replica for replica in standing if not replica.leaving and replica.id not in decided.drain]
    assert len(staying) + len(decided.start) == wanted


@pytest.mark.parametrize(
    ("deaths", "ready_for", "expected"),
    [
        (0, 0.0, 0.2),
        (1, 0.0, 0.4),
        (2, 9.9, 0.8),
        (4, 0.0, 3.2),
        (5, 0.0, 5.0),
        (5000, 0.0, LONGEST_DELAY),
        (7, 10.0, 0.2),
    ],
)
def test_the_pause_doubles_with_each_death_and_starts_anew_after_a_good_time(
    deaths: int, ready_for: float, expected: float
) -> None:
    assert vacancy(deaths, ready_for, now=100.0).due == pytest.approx(100.0 + expected)
