"""The report of a run: what happened to every fault and every point, and what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from tests.chaos.case import IN_NO_CASE, Case
from tests.chaos.run import Result
from tests.chaos.wire import REFUSED

LEGEND = """\
A case is a scenario, a fault and a point at which the fault strikes. Three scenarios roll payments back with the
immediate strategy: *left alone* recovers by itself, *aborted* is aborted by a person after all traffic has moved,
*compensated* has its next stage refused then. The others have the names of their strategies, and the boundaries of
the stages are their points. Points have the name of the process that comes to them; *wire* is the connection between
a pool and a control plane.

What a case came to: *recovered*: as an undisturbed incident that is left alone. *Undone*: as before it. *Held*: at a
place with a name, because somebody else had changed what it would undo. *Not reached* and *wrong* fail the run. *Held
on the way*: a person had to say *retry* or *abort* before it came to that; in *compensated* that is so without one.

[What is guaranteed](../explanation/guarantees.md) has the faults, and what is judged."""

RIGHT = ("recovered", "undone", "held")


@dataclass(frozen=True)
class Report:
    began: datetime
    seconds: float
    seed: int
    machine: str
    revision: str
    results: tuple[tuple[Case, Result], ...]
    left_out: tuple[Case, ...]
    unexplained: tuple[str, ...]
    """Activities that no scenario comes to, and nobody has said why."""

    @property
    def passed(self) -> int:
        return sum(result.came_to in RIGHT for _, result in self.results)

    @property
    def wrong(self) -> tuple[tuple[Case, Result], ...]:
        return tuple((case, result) for case, result in self.results if result.came_to == "wrong")

    @property
    def not_reached(self) -> tuple[Case, ...]:
        return tuple(case for case, result in self.results if result.came_to == "not reached")

    @property
    def summary(self) -> str:
        """The last line: what a runner of tests says."""
        parts = [f"{self.passed} passed"]
        parts += [f"{len(self.wrong)} failed"] if self.wrong else []
        parts += [f"{len(self.not_reached)} not reached"] if self.not_reached else []
        parts += [f"{len(self.left_out)} left out"] if self.left_out else []
        parts += [f"{len(self.untried())} faults or points untried"] if self.untried() else []
        parts += [f"{len(self.unexplained)} activities unexplained"] if self.unexplained else []
        return f"{', '.join(parts)} in {self.seconds:.0f} s"

    def lines_of_left_out(self) -> Iterator[str]:
        """A line for each fault: at how many points of which it was not tried."""
        faults = Counter(f"{case.scenario.name} | {case.fault.name}" for case in self.left_out)
        tried = Counter(f"{case.scenario.name} | {case.fault.name}" for case, _ in self.results)
        yield from (f"{name}: {n} points of {n + tried[name]}" for name, n in sorted(faults.items()))
        yield from (f"the whole of {name}" for name in self.untried())

    def untried(self) -> tuple[str, ...]:
        """Faults and points of a scenario at which nothing was tried: a covering sample has none."""
        tried = {sight for case, _ in self.results for sight in _sights(case)}
        missed = (sight for case in self.left_out if case.fault.available for sight in _sights(case))
        return tuple(sorted({*missed} - tried))

    def markdown(self) -> str:
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield "# Chaos: the last run of the matrix"
        yield ""
        yield "Written by the run itself, with `--report`; `make chaos-full` runs everything."
        yield ""
        yield f"{self.began:%Y-%m-%d %H:%M} UTC, revision {self.revision}, seed {self.seed}, {self.machine}:"
        yield f"**{self.summary}**."
        yield ""
        yield LEGEND
        yield ""
        yield "## By fault"
        yield ""
        yield from self._by("fault", lambda case: case.fault.name)
        yield ""
        yield "## By point"
        yield ""
        yield from self._by("point", lambda case: f"{case.scenario.name}: {case.point}")
        yield ""
        yield from _listed("Held on the way", self._holds())
        yield from _listed("Wrong", [f"{case}: {'; '.join(result.wrongs)}" for case, result in self.wrong])
        yield from _listed("Not reached", map(str, self.not_reached))
        yield from _listed("Left out", self.lines_of_left_out())
        yield from _listed("Activities in no case", [f"{name}: {why}" for name, why in IN_NO_CASE.items()])

    def _holds(self) -> Iterator[str]:
        """Each sentence once, with the first case that was held so; without what the scenario itself brings about."""
        cases: dict[str, list[Case]] = {}
        for case, result in self.results:
            for hold in dict.fromkeys(hold for hold in result.holds if not (case.scenario.refused and REFUSED in hold)):
                cases.setdefault(hold, []).append(case)
        for hold, held in sorted(cases.items(), key=lambda one: -len(one[1])):
            yield f"{len(held)} {'case' if len(held) == 1 else 'cases'}, for example {held[0]}: {hold}"

    def _by(self, what: str, of: Callable[[Case], str]) -> Iterator[str]:
        columns = ("recovered", "undone", "held", "not reached", "wrong")
        yield f"| {what} | cases | {' | '.join(columns)} | held on the way | seconds, longest |"
        yield f"|---|{'---:|' * (len(columns) + 3)}"
        named = [(of(case), result) for case, result in self.results]
        for name, group in groupby(sorted(named, key=lambda one: one[0]), key=lambda one: one[0]):
            results = [result for _, result in group]
            came = Counter(result.came_to for result in results)
            held = sum(bool(result.holds) for result in results)
            longest = max(result.seconds for result in results)
            counts = " | ".join(str(came[column]) for column in columns)
            yield f"| {name} | {len(results)} | {counts} | {held} | {longest:.0f} |"


def _sights(case: Case) -> tuple[str, str]:
    return f"{case.scenario.name} | {case.fault.name}", f"{case.scenario.name} | {case.point}"


def _listed(title: str, lines: Iterable[str] | Sequence[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield f"## {title}"
        yield ""
        yield from (f"- {line}" for line in found)
        yield ""
