"""Services go back after all that they depend on, over however many others that does not go back."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from activities.rollback.order import waves
from models.graph import Graph, reach

NAMES = [f"s{number}" for number in range(8)]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Any graph, also with circles."""
    return {name: draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3)) for name in NAMES}


GOING = st.sets(st.sampled_from(NAMES), min_size=1)


@given(GOING, graphs())
def test_every_service_goes_back_once(going: set[str], graph: Graph) -> None:
    found = [name for wave in waves(going, graph) for name in wave]
    assert sorted(found) == sorted(going)


@given(GOING, graphs())
def test_nothing_goes_back_before_what_it_depends_on_nor_beside_it(going: set[str], graph: Graph) -> None:
    place = {name: number for number, wave in enumerate(waves(going, graph)) for name in wave}
    for one, other in combinations(sorted(going), 2):
        needs, needed = other in reach(one, graph), one in reach(other, graph)
        if needs and needed:
            assert place[one] == place[other]
        elif needs or needed:
            assert (place[one] > place[other]) is needs


@given(GOING, graphs())
def test_there_is_no_wave_more_than_the_dependencies_ask_for(going: set[str], graph: Graph) -> None:
    found = waves(going, graph)
    for earlier, later in pairwise(found):
        assert all(any(needed in reach(name, graph) for needed in earlier) for name in later)


def test_a_dependency_over_a_service_that_stays_counts() -> None:
    assert waves(["shop", "ledger"], {"shop": ["payments"], "payments": ["ledger"]}) == (("ledger",), ("shop",))
