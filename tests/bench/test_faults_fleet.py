"""The generator of faults: its seed is all there is to it, nothing foretells a sudden fault, and each kind breaks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from bench.faults_fleet import FAILING, METRICS, SLOW_MS, WINDOW, Telemetry, simulate
from bench.faults_physics import CALLED, SERVICES, found_fleets
from bench.faults_weather import BEYOND, DAY, GROWING, SUDDEN, TEST, TRAINING, Fault, Kind, Ranges, Weather, draw
from models.catalog_file import parse
from tests.fleet.test_demo_catalog import ENVIRONMENT, FILE

FLEET = found_fleets(1, seed=3)
PAYMENTS, LEDGER = SERVICES.index("payments"), SERVICES.index("ledger")
BEGIN = 700


def weather(days: int = 1, seed: int = 5) -> Weather:
    return draw(TRAINING, days, len(SERVICES), FLEET.units, seed)


def struck(kind: Kind | None, service: int = PAYMENTS) -> Telemetry:
    """A quiet day on which one fault begins, or none."""
    growth = 120.0 if kind in GROWING else 0.0
    fault = [Fault(kind, service, 0, BEGIN, growth, bend=1.2, severity=0.3, repair=20)] if kind else []
    return simulate(FLEET, [replace(weather(), faults=tuple(fault))], seed=9)


QUIET = struck(None)


def entity(service: int, unit: int = 0) -> int:
    return service * FLEET.units + unit


def test_the_fleet_is_that_of_the_demos_catalog() -> None:
    catalog = parse(FILE.read_text(), FILE.name, ENVIRONMENT).catalog
    calls = {(SERVICES[caller], SERVICES[called]) for caller, called, _ in CALLED}
    assert set(SERVICES) == set(catalog.services)
    assert calls == {(name, called) for name, service in catalog.services.items() for called in service.depends_on}
    assert {service.slos.latency and service.slos.latency.threshold_ms for service in catalog.services.values()} == {
        SLOW_MS
    }


def test_the_same_seed_makes_the_same_telemetry_and_another_one_other() -> None:
    again, other = simulate(FLEET, [weather()], seed=9), simulate(FLEET, [weather(seed=6)], seed=9)
    first = simulate(FLEET, [weather()], seed=9)
    assert np.array_equal(first.values, again.values)
    assert first.incidents == again.incidents
    assert not np.array_equal(first.values, other.values)


@pytest.mark.parametrize("kind", SUDDEN)
def test_before_a_sudden_fault_everything_is_as_without_it(kind: Kind) -> None:
    made = struck(kind)
    assert np.array_equal(made.values[:, :BEGIN], QUIET.values[:, :BEGIN])
    assert np.array_equal(made.active[:, :BEGIN], QUIET.active[:, :BEGIN])
    assert not np.array_equal(made.values[entity(PAYMENTS), BEGIN], QUIET.values[entity(PAYMENTS), BEGIN])


@pytest.mark.parametrize("kind", SUDDEN)
def test_a_sudden_fault_is_an_incident_in_the_minute_in_which_it_begins(kind: Kind) -> None:
    """Otherwise its first minutes would foretell it."""
    begun = [incident.begin for incident in struck(kind).incidents if incident.entity == entity(PAYMENTS)]
    assert begun == [BEGIN]


@pytest.mark.parametrize("kind", GROWING)
def test_a_growing_fault_shows_itself_long_before_its_incident(kind: Kind) -> None:
    made = struck(kind)
    incident = next(one for one in made.incidents if one.entity == entity(PAYMENTS))
    assert (incident.kind, incident.inherited) == (kind, False)
    assert incident.begin > BEGIN + 30
    hour = slice(incident.begin - 20, incident.begin - 10)
    before, without = (one.values[entity(PAYMENTS), hour].mean(axis=0) for one in (made, QUIET))
    assert (before / np.maximum(without, 1e-3)).max() > 1.2


@pytest.mark.parametrize("kind", [*GROWING, *SUDDEN])
def test_every_kind_leads_to_incidents_of_its_own_and_to_inherited_ones(kind: Kind) -> None:
    made = struck(kind, LEDGER)
    own = [one for one in made.incidents if not one.inherited]
    assert [(one.entity, one.kind) for one in own] == [(entity(LEDGER), kind)]
    assert {one.kind for one in made.incidents if one.inherited} == {kind}


def test_an_incident_is_active_from_its_begin_and_ends_once_it_is_mended() -> None:
    made = struck(Kind.CUT)
    active = made.active[entity(PAYMENTS)]
    assert not active[:BEGIN].any()
    mended = BEGIN + 20
    assert active[BEGIN:mended].all()
    assert not active[mended + 2 * WINDOW :].any()


def test_users_of_a_service_in_an_incident_suffer() -> None:
    made = simulate(FLEET, [weather(days=3)], seed=9)
    for incident in made.incidents:
        window = made.values[incident.entity, incident.begin - WINDOW + 1 : incident.begin + 1]
        errors, slow = (window[:, METRICS.index(name)].mean() for name in ("error_share", "latency_p95_ms"))
        gap = not made.observed[incident.entity, incident.begin - WINDOW : incident.begin + 1].all()
        assert errors > FAILING or slow > SLOW_MS or gap


def test_harmless_things_alone_hardly_ever_break_a_service() -> None:
    quiet = simulate(FLEET, [replace(weather(days=5), faults=())], seed=9)
    assert len(quiet.incidents) <= 3


def test_without_observation_the_last_one_stays() -> None:
    gaps = np.argwhere(~QUIET.observed)
    assert len(gaps)
    for one, row in gaps:
        assert np.array_equal(QUIET.values[one, row], QUIET.values[one, row - 1])


Spans = tuple[tuple[float, float], ...]


def spans(ranges: Ranges) -> dict[str, Spans]:
    """By name."""
    named = {name: getattr(ranges, name) for name in ("bend", "severity", "repair", "swing", "noise")}
    return named | {kind.value: ranges.growth[kind] for kind in GROWING}


@pytest.mark.parametrize("name", spans(TEST))
def test_no_value_of_the_test_was_learned_from(name: str) -> None:
    assert all(apart(one, other) for one in spans(TRAINING)[name] for other in spans(TEST)[name])


@pytest.mark.parametrize("name", sorted(spans(TEST).keys() - {"severity"}))
def test_what_lies_beyond_is_greater_than_all_others(name: str) -> None:
    greatest = max(end for ranges in (TRAINING, TEST) for _, end in spans(ranges)[name])
    assert all(begin >= greatest for begin, _ in spans(BEYOND)[name])


def apart(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[1] <= other[0] or other[1] <= one[0]


@pytest.mark.parametrize("ranges", [TRAINING, TEST], ids=["training", "test"])
def test_faults_come_at_any_time_of_the_day_and_of_every_kind(ranges: Ranges) -> None:
    faults = draw(ranges, 400, len(SERVICES), 1, seed=1).faults
    kinds = Counter(fault.kind for fault in faults)
    assert set(kinds) == {*GROWING, *SUDDEN}
    quarters = Counter(fault.begin % DAY * 4 // DAY for fault in faults)
    assert min(quarters.values()) > 0.7 * max(quarters.values())
