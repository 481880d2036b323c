"""Telemetry of the demo's fleet in simulated time: golden signals of each service and region, minute by minute.

Nothing is painted on the signals: weather (:mod:`bench.faults_weather`) changes causes, and the signals follow from
them (:mod:`bench.faults_physics`). An incident is what users see: on the mean of five minutes a service fails, or is
slow, beyond its objectives. A fault is mended a drawn time after the incident that it leads to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from bench.faults_physics import CALLED, FLOW, Array, Causes, Fleet, Signals, serve
from bench.faults_weather import GROWING, Fault, Kind, Weather

METRICS = (
    "requests_per_second",
    "error_share",
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "utilisation",
    "in_flight_share",
    "memory_share",
    "connections_share",
)
SLOW_MS = 250.0
"""As in the demo's catalog; held against the 95th percentile."""
FAILING = 0.02
"""Share of the requests: a burn rate of 20 of the demo's objective."""
WINDOW = 5
"""Minutes over which objectives are held against what happened, and that must be well for an incident to end."""
AWAY = 0.0004
"""Chance of a minute to begin a gap of the telemetry."""


@dataclass(frozen=True)
class Incident:
    entity: int
    begin: int
    """Row."""
    kind: Kind | None
    """Of the fault behind it; None: harmless things have come together."""
    inherited: bool
    """What is wrong is in a service that it calls, directly or not."""


@dataclass(frozen=True)
class Telemetry:
    entities: tuple[str, ...]
    values: NDArray[numpy.float32]
    """``[entities, rows, metrics]``; where nothing was observed, the last that was."""
    observed: NDArray[numpy.bool_]
    """``[entities, rows]``."""
    active: NDArray[numpy.bool_]
    """``[entities, rows]``: an incident is under way."""
    incidents: tuple[Incident, ...]


@dataclass
class _Running:
    """A fault at work."""

    fault: Fault
    end: float
    """Row: until it is mended."""


class _World:
    """What lasts from one minute to the next."""

    def __init__(self, fleet: Fleet, seed: int) -> None:
        shape = fleet.demand.shape
        self.fleet = fleet
        self.rng = numpy.random.default_rng(seed)
        self.dripped: Array = numpy.zeros(shape)
        self.median_ms: Array = fleet.in_flight * 1000 / (FLOW @ fleet.demand)
        self.recent: deque[Array] = deque(maxlen=WINDOW)
        self.active: NDArray[numpy.bool_] = numpy.zeros(shape, bool)
        self.well: NDArray[numpy.int64] = numpy.zeros(shape, numpy.int64)
        self.running: list[_Running] = []
        self.incidents: list[Incident] = []

    def minute(self, row: int, weather: Weather, at: int) -> Array:
        """The signals, ``[metrics, services, units]``. *at*: the row within *weather*."""
        self.running = [one for one in self.running if one.end > row]
        self.dripped = numpy.where(weather.restart[at], 0.0, self.dripped + weather.drip[at])
        causes = self._causes(row, weather, at)
        signals = serve(self.fleet, causes, self.median_ms)
        self.median_ms = signals.latency_ms[0]
        seen = self._measure(causes, signals)
        self._judge(row, seen, signals)
        return seen

    def _causes(self, row: int, weather: Weather, at: int) -> Causes:
        """Those of the weather, and what the faults at work make of them."""
        fleet, shape = self.fleet, self.fleet.demand.shape
        rate = FLOW @ (fleet.demand * weather.demand[at])
        memory = fleet.memory + self.dripped + 0.02 * weather.demand[at]
        dependency, held = weather.dependency[at].copy(), weather.held[at].copy()
        pace, lost, failed = weather.pace[at].copy(), numpy.zeros(shape), numpy.zeros(shape)
        for one in self.running:
            fault, place = one.fault, (one.fault.service, one.fault.unit)
            age = row - fault.begin
            grown = (age / fault.growth) ** fault.bend if fault.growth else 1.0
            match fault.kind:
                case Kind.LEAK:
                    memory[place] += 0.55 * grown
                case Kind.SATURATION:
                    rate[place] += 0.55 * grown * fleet.servers[place] / fleet.service_ms[place] * 1000
                case Kind.CREEPING:
                    dependency[place] += SLOW_MS * grown
                case Kind.EXHAUSTION:
                    held[place] += 0.85 * grown
                case Kind.CRASH:
                    lost[place] = max(lost[place], fault.severity)
                    failed[place] = max(failed[place], fault.severity if age < 3 else 0.0)
                case Kind.DEPLOY:
                    pace[place] *= 1.3
                    failed[place] = max(failed[place], fault.severity)
                case Kind.CUT:
                    failed[place] = max(failed[place], fault.severity)
        return Causes(rate, pace, dependency, numpy.minimum(memory, 1.0), held, lost, failed)

    def _measure(self, causes: Causes, signals: Signals) -> Array:
        """With what counting a minute's requests, and sampling, make of it."""
        rng, shape = self.rng, self.fleet.demand.shape
        requests = rng.poisson(causes.rate * 60)
        errors = rng.binomial(requests, numpy.clip(signals.errors, 0, 1)) / numpy.maximum(requests, 1)
        scatter = rng.standard_normal((6, *shape))
        return numpy.stack(
            [
                requests / 60,
                errors,
                signals.latency_ms[0] * numpy.exp(0.02 * scatter[0]),
                signals.latency_ms[1] * numpy.exp(0.04 * scatter[1]),
                signals.latency_ms[2] * numpy.exp(0.08 * scatter[2]),
                numpy.minimum(1.0, signals.utilisation * numpy.exp(0.02 * scatter[3])),
                numpy.minimum(1.0, signals.in_flight * numpy.exp(0.05 * scatter[4])),
                numpy.clip(causes.memory + 0.006 * scatter[5], 0, 1),
                numpy.minimum(1.0, signals.connections),
            ]
        )

    def _judge(self, row: int, seen: Array, signals: Signals) -> None:
        """Hold the last minutes against the objectives; who is no longer within them has an incident."""
        self.recent.append(seen[[1, 3]])
        errors, slow = numpy.mean(self.recent, axis=0)
        bad = (errors > FAILING) | (slow > SLOW_MS)
        self.well = numpy.where(bad, 0, self.well + 1)
        began = bad & ~self.active
        self.active = bad | (self.active & (self.well < WINDOW))
        for service, unit in numpy.argwhere(began).tolist():
            at = origin(service, unit, signals)
            fault = self._fault(at, unit)
            kind = fault.fault.kind if fault else None
            entity = service * self.fleet.units + unit
            self.incidents.append(Incident(entity, row, kind, inherited=at != service))
            if fault and at == service:
                self._mend(row, service, unit, fault.fault.repair)

    def _fault(self, service: int, unit: int) -> _Running | None:
        """The latest at work there."""
        there = [one for one in self.running if (one.fault.service, one.fault.unit) == (service, unit)]
        return there[-1] if there else None

    def _mend(self, row: int, service: int, unit: int, minutes: int) -> None:
        """People come, and find everything that is wrong with the service."""
        for one in self.running:
            if (one.fault.service, one.fault.unit) == (service, unit):
                one.end = min(one.end, row + minutes)

    def begin(self, faults: Sequence[Fault]) -> None:
        """One that has come to nothing for twice its time is found without an incident."""
        for fault in faults:
            self.running.append(_Running(fault, fault.begin + (2 * fault.growth if fault.kind in GROWING else 60)))


def origin(service: int, unit: int, signals: Signals) -> int:
    """Where what is wrong with *service* comes from: as long as most of it is inherited, one of those that it calls."""
    for caller, called, share in CALLED:
        if caller == service:
            failing = signals.errors[service, unit] > FAILING
            theirs = share * signals.errors[called, unit] if failing else signals.latency_ms[1, called, unit]
            ours = signals.own_errors[service, unit] if failing else signals.own_ms[1, service, unit]
            if theirs > ours:
                return origin(called, unit, signals)
    return service


def simulate(fleet: Fleet, stretches: Sequence[Weather], seed: int) -> Telemetry:
    """One stretch of weather after the other, over the same fleet."""
    world = _World(fleet, seed)
    rows = sum(len(weather.demand) for weather in stretches)
    entities = fleet.demand.size
    values = numpy.empty((rows, len(METRICS), entities), numpy.float32)
    active = numpy.empty((rows, entities), bool)
    row = 0
    for weather in stretches:
        due = deque(weather.faults)
        for at in range(len(weather.demand)):
            begun: list[Fault] = []
            while due and due[0].begin <= row:
                begun.append(due.popleft())
            world.begin(begun)
            values[row] = world.minute(row, weather, at).reshape(len(METRICS), -1)
            active[row] = world.active.ravel()
            row += 1
    seen, observed = _with_gaps(values.transpose(2, 0, 1), numpy.random.default_rng(seed + 1))
    return Telemetry(fleet.names, seen, observed, active.T.copy(), tuple(world.incidents))


def _with_gaps(
    values: NDArray[numpy.float32], rng: numpy.random.Generator
) -> tuple[NDArray[numpy.float32], NDArray[numpy.bool_]]:
    """Telemetry is away now and then, for some minutes."""
    observed = numpy.ones((values.shape[0], values.shape[1]), bool)
    for entity, begin in numpy.argwhere(rng.random(observed.shape) < AWAY).tolist():
        observed[entity, max(1, begin) : begin + int(rng.integers(2, 10))] = False
    last = numpy.maximum.accumulate(numpy.where(observed, numpy.arange(observed.shape[1]), 0), axis=1)
    return numpy.take_along_axis(values, last[:, :, None], axis=1), observed
