"""What happens to a fleet, drawn before it does: load, harmless disturbances, faults with and without precursors.

All arrays are ``[rows, services, units]``; a row is a minute, a unit one region of one fleet. Faults are drawn apart
from everything else and independent of it, so that nothing in load, time of day or earlier trouble foretells a sudden
one.

:data:`TRAINING` and :data:`TEST` have no value in common, in any range: those of the test lie between those of the
training, and :data:`BEYOND` has what lies outside of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy
from numpy.typing import NDArray

from bench.faults_physics import Array

DAY = 1440
"""Rows."""
Span = tuple[float, float]
"""From, to: drawn evenly."""


class Kind(StrEnum):
    LEAK = "memory leak"
    SATURATION = "growing load"
    CREEPING = "creeping latency"
    EXHAUSTION = "connection exhaustion"
    CRASH = "sudden crash"
    DEPLOY = "bad deploy"
    CUT = "dependency cut"


GROWING = (Kind.LEAK, Kind.SATURATION, Kind.CREEPING, Kind.EXHAUSTION)
SUDDEN = (Kind.CRASH, Kind.DEPLOY, Kind.CUT)


@dataclass(frozen=True)
class Fault:
    kind: Kind
    service: int
    unit: int
    begin: int
    """Row."""
    growth: float
    """Minutes after which it breaks the service, about; of a sudden one 0."""
    bend: float
    """It grows with this power of time."""
    severity: float
    """Of a sudden one: the share of the requests that it fails."""
    repair: int
    """Minutes from the incident until it is mended."""


@dataclass(frozen=True)
class Ranges:
    """Of several spans each is as likely."""

    growth: Mapping[Kind, tuple[Span, ...]]
    """Minutes."""
    bend: tuple[Span, ...]
    severity: tuple[Span, ...]
    repair: tuple[Span, ...]
    """Minutes."""
    swing: tuple[Span, ...]
    """Of the daily load about its mean."""
    noise: tuple[Span, ...]
    """Standard deviation of the logarithm of the load from one minute to the next."""
    faults_a_day: float = 0.4
    """Of each service in each region, all kinds together, half of them sudden."""


TRAINING = Ranges(
    growth={
        Kind.LEAK: ((60, 300), (480, 720)),
        Kind.SATURATION: ((30, 150), (240, 360)),
        Kind.CREEPING: ((30, 60), (90, 240)),
        Kind.EXHAUSTION: ((60, 240), (360, 500)),
    },
    bend=((1.0, 1.5), (1.8, 2.3)),
    severity=((0.15, 0.5), (0.9, 1.0)),
    repair=((10, 20), (60, 80)),
    swing=((0.1, 0.2), (0.35, 0.45)),
    noise=((0.015, 0.025), (0.05, 0.06)),
)
TEST = Ranges(
    growth={
        Kind.LEAK: ((300, 480),),
        Kind.SATURATION: ((150, 240),),
        Kind.CREEPING: ((60, 90),),
        Kind.EXHAUSTION: ((240, 360),),
    },
    bend=((1.5, 1.8),),
    severity=((0.5, 0.9),),
    repair=((20, 60),),
    swing=((0.2, 0.35),),
    noise=((0.025, 0.05),),
)
"""Between the training's: values that were not seen, and less than the greatest that were."""
BEYOND = Ranges(
    growth={
        Kind.LEAK: ((720, 900),),
        Kind.SATURATION: ((360, 480),),
        Kind.CREEPING: ((240, 360),),
        Kind.EXHAUSTION: ((500, 700),),
    },
    bend=((2.3, 2.6),),
    severity=((0.9, 1.0),),
    repair=((80, 100),),
    swing=((0.45, 0.5),),
    noise=((0.06, 0.07),),
)
"""Outside of all that was seen: slower, noisier, with greater tides. A sudden fault cannot strike harder."""


@dataclass(frozen=True)
class Weather:
    demand: Array
    """Requests a second that come from outside, where 1 is what the service has on the mean."""
    pace: Array
    """By which a service's own time a request is multiplied: what releases and cold caches change."""
    dependency: Array
    """Milliseconds that what is outside of the fleet (a database, a bank) adds to each request."""
    held: Array
    """Share of the connections that are held for nothing, and are given back."""
    drip: Array
    """Share of the memory that is lost in a minute, harmlessly slowly."""
    restart: NDArray[numpy.bool_]
    """Where memory and connections begin anew: releases, and the restarts that are planned because of the drip."""
    faults: tuple[Fault, ...]


def draw(ranges: Ranges, days: int, services: int, units: int, seed: int, begin: int = 0) -> Weather:
    """*begin*: the row at which it begins; rows count from midnight."""
    load, harmless, faults = (numpy.random.default_rng(child) for child in numpy.random.SeedSequence(seed).spawn(3))
    rows, shape = days * DAY, (services, units)
    demand = _demand(ranges, rows, shape, load)
    demand += _hills(harmless, rows, shape, 0.35, (25, 90), (0.15, 0.4))
    demand += _batch(rows, shape, harmless)
    released, pace = _releases(harmless, rows, shape)
    drip, planned = _drip(harmless, rows, shape)
    return Weather(
        demand=demand,
        pace=pace,
        dependency=_hills(harmless, rows, shape, 0.35, (20, 80), (10, 70)),
        held=_hills(harmless, rows, shape, 0.35, (20, 80), (0.1, 0.4)),
        drip=drip,
        restart=released | planned,
        faults=_faults(ranges, rows, shape, faults, begin),
    )


def _demand(ranges: Ranges, rows: int, shape: tuple[int, int], rng: numpy.random.Generator) -> Array:
    """A day's swing, noise that lingers for some minutes, and short bursts."""
    minutes = numpy.arange(rows)[:, None, None]
    swing, noise = (_each(rng, spans, shape) for spans in (ranges.swing, ranges.noise))
    peak = rng.uniform(12, 16, shape) * 60
    days = numpy.repeat(rng.uniform(0.85, 1.1, (rows // DAY, *shape)), DAY, axis=0)
    daily = swing * days * numpy.cos(2 * numpy.pi * (minutes - peak) / DAY)
    lingering = rng.standard_normal((rows, *shape)) * noise
    for row in range(1, rows):
        lingering[row] += 0.8 * lingering[row - 1]
    bursts = numpy.where(rng.random((rows, *shape)) < 0.003, rng.uniform(0.05, 0.25, (rows, *shape)), 0.0)
    return (1 + daily) * numpy.exp(lingering) + bursts


def _hills(
    rng: numpy.random.Generator, rows: int, shape: tuple[int, int], a_day: float, minutes: Span, height: Span
) -> Array:
    """What rises, stays and goes again, *a_day* times: it looks like the beginning of a fault, and comes to nothing."""
    made = numpy.zeros((rows, *shape))
    for service, unit in numpy.ndindex(shape):
        for begin in _times(rng, rows, a_day):
            length, top = int(rng.uniform(*minutes)), rng.uniform(*height)
            rise = rng.uniform(0.1, 0.6)
            share = numpy.linspace(0, 1, length)
            hill = top * numpy.minimum(1, numpy.minimum(share / rise, (1 - share) / 0.15))
            end = min(rows, begin + length)
            made[begin:end, service, unit] = numpy.maximum(made[begin:end, service, unit], hill[: end - begin])
    return made


def _batch(rows: int, shape: tuple[int, int], rng: numpy.random.Generator) -> Array:
    """Half of the services have a nightly job, at about the same time each night."""
    made = numpy.zeros((rows, *shape))
    for service, unit in numpy.ndindex(shape):
        if rng.random() < 0.5:
            at, length, top = rng.uniform(60, 240), rng.uniform(20, 60), rng.uniform(0.2, 0.5)
            for midnight in range(0, rows, DAY):
                begin = int(midnight + at + rng.normal(0, 3))
                made[begin : begin + int(length * rng.uniform(0.8, 1.2)), service, unit] = top * rng.uniform(0.8, 1.2)
    return made


def _releases(rng: numpy.random.Generator, rows: int, shape: tuple[int, int]) -> tuple[NDArray[numpy.bool_], Array]:
    """Harmless ones: the service begins anew with cold caches, and is a little faster or slower from then on."""
    released, pace = numpy.zeros((rows, *shape), bool), numpy.ones((rows, *shape))
    for service, unit in numpy.ndindex(shape):
        for begin in _times(rng, rows, 0.3):
            released[begin, service, unit] = True
            pace[begin:, service, unit] = rng.uniform(0.9, 1.12)
        for begin in numpy.flatnonzero(released[:, service, unit]):
            cold = rng.uniform(0.1, 0.5) * numpy.exp(-numpy.arange(min(60, rows - begin)) / rng.uniform(4, 12))
            pace[begin : begin + 60, service, unit] *= 1 + cold
    return released, pace


def _drip(rng: numpy.random.Generator, rows: int, shape: tuple[int, int]) -> tuple[Array, NDArray[numpy.bool_]]:
    """Half of the services lose memory, and are restarted every night or every other night before it matters."""
    every = rng.integers(1, 3, shape)
    drip = numpy.where(rng.random(shape) < 0.5, rng.uniform(0.1, 0.28, shape) / every / DAY, 0.0)
    restart = numpy.zeros((rows, *shape), bool)
    at = rng.integers(120, 300, shape)
    for service, unit in numpy.ndindex(shape):
        if drip[service, unit]:
            restart[at[service, unit] :: DAY * every[service, unit], service, unit] = True
    return numpy.broadcast_to(drip, (rows, *shape)), restart


def _faults(
    ranges: Ranges, rows: int, shape: tuple[int, int], rng: numpy.random.Generator, begin: int
) -> tuple[Fault, ...]:
    drawn: list[Fault] = []
    for service, unit in numpy.ndindex(shape):
        for kinds in (GROWING, SUDDEN):
            for at in _times(rng, rows, ranges.faults_a_day / 2):
                kind = kinds[rng.integers(len(kinds))]
                drawn.append(
                    Fault(
                        kind=kind,
                        service=service,
                        unit=unit,
                        begin=begin + at,
                        growth=_of_any(rng, ranges.growth[kind]) if kind in GROWING else 0.0,
                        bend=_of_any(rng, ranges.bend),
                        severity=_of_any(rng, ranges.severity),
                        repair=int(_of_any(rng, ranges.repair)),
                    )
                )
    return tuple(sorted(drawn, key=lambda fault: fault.begin))


def _each(rng: numpy.random.Generator, spans: tuple[Span, ...], shape: tuple[int, int]) -> Array:
    """One for each service and unit."""
    return numpy.array([_of_any(rng, spans) for _ in range(shape[0] * shape[1])]).reshape(shape)


def _of_any(rng: numpy.random.Generator, spans: tuple[Span, ...]) -> float:
    return rng.uniform(*spans[rng.integers(len(spans))])


def _times(rng: numpy.random.Generator, rows: int, a_day: float) -> list[int]:
    """Of a Poisson process: that nothing happened for long makes nothing more likely."""
    return sorted(rng.integers(0, rows, rng.poisson(a_day * rows / DAY)).tolist())
