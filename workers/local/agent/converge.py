"""Which replicas to start and which to drain, decided from what is wanted and what there is. Pure.

A replica that died leaves a vacancy: its successor waits, 0.2 s at first and twice as long after each death up to 5 s,
unless the dead one had been ready for 10 s. So a release that dies at once neither spins nor stays away for long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from activities.platform.fields import REPLICAS
from workers.ledger import Snapshot
from workers.local.agent.rows import Group

FIRST_DELAY = 0.2
LONGEST_DELAY = 5.0
READY_LONG_ENOUGH = 10.0
"""Seconds."""


@dataclass(frozen=True)
class Vacancy:
    """The place of a replica that died."""

    deaths: int
    """In a row, each before it had been ready long enough."""
    due: float
    """When its successor may start, on the monotonic clock."""


@dataclass(frozen=True)
class Standing:
    """A replica that takes part: it is not draining."""

    id: str
    """A ULID: the greatest is the newest."""
    ready: bool
    leaving: bool = False
    """It goes once others serve in its place."""


@dataclass(frozen=True)
class Moves:
    """What one group of replicas needs now."""

    start: tuple[int, ...] = ()
    """For each replica to start, the deaths in a row behind it."""
    drain: tuple[str, ...] = ()
    vacancies: tuple[Vacancy, ...] = ()
    """Those that still wait."""


def moves(wanted: int, standing: Sequence[Standing], vacancies: Sequence[Vacancy], now: float) -> Moves:
    """Bring *standing* to *wanted*: drain the unready before the ready and the newest first, or fill the places.

    One that is leaving counts for nothing but the requests that it answers: it is replaced, and drained once as many
    are ready without it.
    """
    staying = [replica for replica in standing if not replica.leaving]
    missing = wanted - len(staying)
    newest_first = sorted(staying, key=lambda replica: replica.id, reverse=True)
    surplus = sorted(newest_first, key=lambda replica: replica.ready)[: max(0, -missing)]
    serving = sum(replica.ready for replica in staying if replica not in surplus)
    leaving = sorted((replica for replica in standing if replica.leaving), key=lambda r: (r.ready, r.id))
    replaced = leaving[: max(0, len(leaving) - (wanted - serving))]
    drain = tuple(replica.id for replica in (*surplus, *replaced))
    if missing <= 0:
        return Moves(drain=drain)
    places = sorted(vacancies, key=lambda vacancy: vacancy.due)[:missing]
    due = tuple(vacancy.deaths for vacancy in places if vacancy.due <= now)
    fresh = (0,) * (missing - len(places))
    return Moves(due + fresh, drain, tuple(vacancy for vacancy in places if vacancy.due > now))


def vacancy(deaths_before: int, ready_for: float, now: float) -> Vacancy:
    """The place left by a replica that died *now*, after it had been ready for *ready_for* seconds."""
    deaths = 1 if ready_for >= READY_LONG_ENOUGH else deaths_before + 1
    doublings = min(deaths - 1, 10)  # a release that dies for hours must not count past what a float holds
    return Vacancy(deaths, now + min(LONGEST_DELAY, FIRST_DELAY * 2.0**doublings))


def wanted_by_group(resources: Mapping[str, Snapshot]) -> dict[Group, int]:
    """The numbers of replicas that the ledger's resources, ``<region>/<service>``, ask for."""
    wanted: dict[Group, int] = {}
    for resource, snapshot in resources.items():
        region, _, service = resource.partition("/")
        for release, count in wanted_by_release(snapshot).items():
            wanted[Group(region, service, release)] = count
    return wanted


def wanted_by_release(snapshot: Snapshot) -> dict[str, int]:
    """The numbers of replicas that one resource asks for."""
    fields = snapshot.state.items()
    return {name.removeprefix(REPLICAS): n for name, n in fields if name.startswith(REPLICAS) and isinstance(n, int)}
