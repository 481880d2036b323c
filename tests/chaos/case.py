"""The cases of the matrix: scenarios, the points that an undisturbed run comes to, and what may happen there."""

from __future__ import annotations

import importlib
import pkgutil
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import activities
from activities.breaker import contract as breaker
from activities.contract import Contract
from activities.predictor import contract as predictor
from activities.prevention import contract as prevention
from models.intent import Tier
from tests.chaos.fault import AT_BOUNDARIES, FAULTS, Fault, Word
from tests.chaos.point import Point
from tests.chaos.subject import PAYMENTS, SUBJECTS, Subject


@dataclass(frozen=True)
class Scenario:
    """What an undisturbed incident comes to."""

    name: str
    ends: str
    """Its phase then."""
    subject: Subject = PAYMENTS
    faults: tuple[Fault, ...] = FAULTS
    abort_at: str | None = None
    """The point at whose name a person aborts it."""
    refused: str | None = None
    """The point at whose name a call is refused, however often it is made."""
    at_hold: Word = "retry"
    """What a person says where it is held."""

    @property
    def after(self) -> str | None:
        """The point up to which it is as an incident that is left alone."""
        return self.abort_at or self.refused


LEFT_ALONE = Scenario("left alone", "resolved")
ABORTED = Scenario("aborted", "aborted", abort_at="analytics.soak.v1 begins v1")
"""A person aborts it when all traffic has been moved: every change so far is taken back."""

COMPENSATED = Scenario("compensated", "aborted", refused="mesh is asked to change payments.drain:do:1", at_hold="abort")
"""A stage fails when all traffic has been moved: every change so far is taken back by itself, and a person ends it."""

OWN = (*(each.name for each in (breaker.WATCH, breaker.TRIP, breaker.RESTORE)), f"lease {Tier.SERVICE}")
"""What points are called at which breakers are watched, tripped, renewed and restored."""


def _of_breakers(fault: Fault) -> Callable[[Point], bool]:
    """Where the breakers' own activities, or their leases, are under way."""
    return lambda point: fault.applies(point) and any(own in point.name for own in OWN)


BY_STRATEGY = tuple(
    Scenario(each.strategy, "resolved", subject=each, faults=AT_BOUNDARIES)
    for each in SUBJECTS
    if each is not LEFT_ALONE.subject
)
"""Each of the other strategies, left alone: what is between the boundaries of its stages is the same code."""

TRIPPED = Scenario(
    "breakers",
    "resolved",
    subject=next(each for each in SUBJECTS if each.breakers),
    faults=tuple(replace(fault, applies=_of_breakers(fault)) for fault in FAULTS),
)
"""The breakers before a service trip, are renewed and are restored, while it goes back as any other."""

SCENARIOS = (LEFT_ALONE, ABORTED, COMPENSATED, *BY_STRATEGY, TRIPPED)

BEFORE_INCIDENTS = (
    *(predictor.MEASURE, predictor.PREDICT, predictor.ADVISE, predictor.SETTLE),
    *(predictor.EXAMINE, predictor.LEARN, predictor.PROMOTE, predictor.REFUSE),
    *(prevention.MEASURES, prevention.INCIDENT, prevention.RAISE),
)
"""What runs where there is no incident yet."""

IN_NO_CASE = {
    "rollback.holder-runs.v1": "only where the holder of a lock was terminated; it reads and changes nothing",
    **{
        each.name: "no part of an incident; tests/processes/test_killed_prevention.py kills preventions, and "
        "tests/stack/test_predictor_pool.py the predictor"
        for each in BEFORE_INCIDENTS
    },
}
"""Activities at which nothing is made to happen, and why. A run fails where another one is missing."""


@dataclass(frozen=True)
class Case:
    scenario: Scenario
    point: Point
    fault: Fault

    @property
    def ends(self) -> str:
        """The phase in which the incident ought to end."""
        return self.scenario.ends if self.scenario.after else self.fault.ends

    @property
    def at_hold(self) -> Word:
        """What a person says where it is held."""
        return self.scenario.at_hold if self.scenario.after else self.fault.at_hold

    def __str__(self) -> str:
        return f"{self.scenario.name} | {self.fault.name} | {self.point}"


def relevant(scenario: Scenario, trace: Sequence[Point]) -> list[Point]:
    """The points at which something is to happen: each name once, and of a scenario those that are its own.

    What a process comes to again (a batch of the journal, a renewal) is the same place in the code.
    """
    first = next((i for i, point in enumerate(trace) if point.name == scenario.after), -1) + 1
    return [point for point in trace[first:] if point.nth == 1]


def generate(scenario: Scenario, trace: Sequence[Point]) -> Iterator[Case]:
    """Every fault of the scenario at every point to which it applies."""
    for point in relevant(scenario, trace):
        for fault in scenario.faults:
            if fault.applies(point):
                yield Case(scenario, point, fault)


def contracts() -> Iterator[str]:
    """The name of every activity that there is."""
    for folder in pkgutil.iter_modules(activities.__path__):
        if folder.ispkg:
            module = importlib.import_module(f"activities.{folder.name}.contract")
            yield from (value.name for value in vars(module).values() if isinstance(value, Contract))


def in_order(cases: Iterable[Case], seed: int) -> list[Case]:
    """All of them, so that any beginning of the list covers as much as it can.

    First every fault of every scenario once, if possible each at another point, those that strike at few points before
    the others. Then every point once, then every fault at every kind of place; the rest follows. What comes first
    within each is the seed's choice.
    """
    left = list(cases)
    random.Random(seed).shuffle(left)
    chances = Counter(map(_fault, left))
    ordered: list[Case] = []
    for sights in ((_fault, _point), (_fault,), (_point,), (_fault_and_place,)):
        seen = {sight(case) for case in ordered for sight in sights}
        for case in sorted(left, key=lambda case: chances[_fault(case)]) if _fault in sights else list(left):
            found = {sight(case) for sight in sights}
            if found.isdisjoint(seen):
                seen |= found
                ordered.append(case)
                left.remove(case)
    return ordered + left


def _fault(case: Case) -> object:
    return case.scenario.name, case.fault.name


def _point(case: Case) -> object:
    return case.scenario.name, case.point


def _fault_and_place(case: Case) -> object:
    """A place in the code, whichever step it is at."""
    place = case.point.name if case.point.step is None else case.point.name.rpartition(" ")[0]
    return case.scenario.name, case.fault.name, case.point.part, place
