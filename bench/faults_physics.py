"""One minute of a fleet: from load and the state of its services to what their users see.

Requests flow along the demo's calls. What a service has to do against what it can do is its utilisation, and from that
follows how long requests wait: M/M/c, with Sakasegawa's exponent for the chance of waiting (*An approximation formula
for L_q*, 1977) and Allen and Cunneen's factor for arrivals that come in clusters. By Little's law that is what is in
flight, which takes up connections. Freeing memory that is nearly full slows a service down. Callers inherit latency and
errors of what they call.

Arrays are ``[services, units]``: a unit is one region of one fleet, and knows nothing of the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from deploy.demo.fleet.service import CALLS
from deploy.demo.load import BROWSE_EVERY

Array = NDArray[numpy.float64]

SERVICES = ("portal", "orders", "dispatch", "billing", "payments", "ledger")
REGIONS = ("eu", "us")
CALLED: tuple[tuple[int, int, float], ...] = tuple(
    (SERVICES.index(caller), SERVICES.index(called), 1 - 1 / BROWSE_EVERY if caller == "portal" else 1.0)
    for (caller, _), calls in CALLS.items()
    for called, _ in calls
)
"""Caller, called, and the share of the caller's requests that call; callers before those that they call."""

TIMEOUT_MS = 2000.0
CLUSTERS = 6.0
"""Allen and Cunneen's factor: half of the squared variations of the arrivals' distances and of the service times."""
QUANTILES = numpy.array([0.5, 0.95, 0.99])[:, None, None]
SHAPE = numpy.array([0.9, 2.0, 2.9])[:, None, None]
"""The quantiles of the time that serving takes, in multiples of its mean: it is skewed."""
FULL = 0.85
"""Share of the memory from which on freeing it takes time; at 1 half of the replicas are being started again."""
ROOM = 40.0
"""Requests in flight that a service has room for, in multiples of what it has on the mean."""
CONNECTIONS = 25.0
"""Connections that it has, in the same unit."""
BASE_ERRORS = 0.0005


def _flow() -> Array:
    """``[called, caller]``: requests at one for each that comes from outside to the other."""
    flow = numpy.eye(len(SERVICES))
    for caller, called, share in CALLED:
        flow[called] += share * flow[caller]
    return flow


FLOW = _flow()


@dataclass(frozen=True)
class Fleet:
    """What a fleet is like as long as it lives."""

    demand: Array
    """Requests a second that come from outside, on the mean."""
    service_ms: Array
    servers: Array
    """Requests that can be served at the same time."""
    memory: Array
    """Share in use after a start."""
    idle: Array
    """Share of the connections that is open without requests."""
    in_flight: Array
    """On the mean."""

    @property
    def units(self) -> int:
        return self.demand.shape[1]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the entities: services by units, in the order of the flattened arrays."""
        places = [f"{unit // len(REGIONS)}/{REGIONS[unit % len(REGIONS)]}" for unit in range(self.units)]
        return tuple(f"{place}/{service}" for service in SERVICES for place in places)


def found_fleets(fleets: int, seed: int) -> Fleet:
    """So many, each with the six services in both regions."""
    rng, shape = numpy.random.default_rng(seed), (len(SERVICES), fleets * len(REGIONS))
    demand = rng.uniform(60, 120, shape)
    demand[0] *= 5
    service_ms = rng.uniform(4, 10, shape)
    latency = service_ms.copy()
    for caller, called, _ in reversed(CALLED):
        latency[caller] = numpy.maximum(latency[caller], service_ms[caller] + latency[called])
    rate = FLOW @ demand
    return Fleet(
        demand=demand,
        service_ms=service_ms,
        servers=rate * service_ms / 1000 / rng.uniform(0.35, 0.48, shape),
        memory=rng.uniform(0.3, 0.45, shape),
        idle=rng.uniform(0.1, 0.25, shape),
        in_flight=rate * latency / 1000,
    )


@dataclass(frozen=True)
class Causes:
    rate: Array
    """Requests a second, from everywhere."""
    pace: Array
    """Times a service's own time a request."""
    dependency_ms: Array
    """That what is outside of the fleet takes."""
    memory: Array
    """Share in use."""
    held: Array
    """Share of the connections that is held for nothing."""
    lost: Array
    """Share of the servers that is gone."""
    failed: Array
    """Share of the requests that fails for no other reason."""


@dataclass(frozen=True)
class Signals:
    own_errors: Array
    """Share of the requests that this service fails itself."""
    errors: Array
    """With what it inherits."""
    own_ms: Array
    """``[quantiles, services, units]``: without what it waits for in other services."""
    latency_ms: Array
    utilisation: Array
    in_flight: Array
    """Share of the room for it."""
    connections: Array
    """Share in use; more than 1 is refused."""


def serve(fleet: Fleet, causes: Causes, median_before: Array) -> Signals:
    """One minute. *median_before*: latency of the minute before, with which requests pile up."""
    strain = numpy.maximum(0.0, causes.memory - FULL) / (1 - FULL)
    killed = 0.5 * (causes.memory >= 1)
    service_ms = fleet.service_ms * causes.pace * (1 + 2 * strain)
    servers = fleet.servers * (1 - causes.lost) * (1 - killed)
    utilisation = causes.rate * service_ms / 1000 / servers
    in_flight = causes.rate * median_before / 1000 / fleet.in_flight
    connections = fleet.idle + causes.held + in_flight / CONNECTIONS
    own_ms = numpy.minimum(
        TIMEOUT_MS, service_ms * SHAPE + _wait(service_ms, servers, utilisation) + causes.dependency_ms
    )
    served = numpy.minimum(1.0, 1 / numpy.maximum(utilisation, 1.0)) * numpy.minimum(
        1.0, 1 / numpy.maximum(connections, 1.0)
    )
    own_errors = 1 - (1 - BASE_ERRORS) * (1 - causes.failed) * (1 - 0.4 * killed) * served
    latency_ms, well = own_ms.copy(), 1 - own_errors
    for caller, called, share in reversed(CALLED):
        latency_ms[:, caller] = numpy.maximum(latency_ms[:, caller], own_ms[:, caller] + latency_ms[:, called])
        well[caller] *= 1 - share * (1 - well[called])
    return Signals(
        own_errors=own_errors,
        errors=1 - well,
        own_ms=own_ms,
        latency_ms=numpy.minimum(TIMEOUT_MS, latency_ms),
        utilisation=utilisation,
        in_flight=in_flight / ROOM,
        connections=connections,
    )


def _wait(service_ms: Array, servers: Array, utilisation: Array) -> Array:
    """Quantiles of the time that requests wait: who waits at all waits exponentially long."""
    busy = numpy.minimum(utilisation, 0.998)
    waits = busy ** (numpy.sqrt(2 * (servers + 1)) - 1)
    mean = CLUSTERS * service_ms / (servers * (1 - busy))
    return mean * numpy.maximum(0.0, numpy.log(waits / (1 - QUANTILES)))
