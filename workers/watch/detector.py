"""From burn rates to alerts of one region: which fire, and which are inhibited by a dependency's trouble.

When ``payments`` fails, everything that calls it fails too. To not begin an incident for each, an alert is inhibited
while a direct or transitive dependency of the service burns at least as severely in the same region. Two races are
guarded:

- callers may be seen first: an alert of a service that has dependencies waits for a *grace* before it fires;
- callers may be seen last: after the dependency has recovered, the failures that it caused stay in the callers'
  windows. A pair of windows counts again once its short window holds nothing from before.

Services that depend on each other in a circle do not inhibit each other. An alert that has fired is not taken back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from models.alert import Severity
from models.catalog import Catalog
from models.graph import reach
from workers.watch.burn import Burn, Slo, State

_RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


@dataclass(frozen=True)
class Alarm:
    """One alert that fires or has just been resolved. *since*: when it was first seen burning, seconds since 1970."""

    service: str
    slo: Slo
    severity: Severity
    since: float
    burn: Burn
    """The pair of windows that burns most."""


@dataclass(frozen=True)
class Decision:
    """What there is to say about one service."""

    firing: tuple[Alarm, ...] = ()
    began: bool = False
    """Whether one of them fires for the first time."""
    resolved: tuple[Alarm, ...] = ()
    inhibited_by: tuple[str, ...] = ()
    """The dependencies whose trouble keeps an alert of this service from firing."""


@dataclass
class _Watched:
    """The memory for one alert: since when it burns, and the alarm once it fires."""

    since: float | None = None
    alarm: Alarm | None = None

    def burns(self, pairs: list[Burn], now: float) -> bool:
        """Note whether it burns."""
        burning = _together(pairs) is State.BURNING
        self.since = (self.since if self.since is not None else now) if burning else None
        return burning

    def ripe(self, now: float, grace: float) -> bool:
        return self.since is not None and now - self.since >= grace

    def fire(self, service: str, counting: list[Burn]) -> bool:
        """Fire if one of the pairs that count burns."""
        burning = [b for b in counting if b.state is State.BURNING]
        if not burning or self.since is None:
            return False
        worst = _worst(burning)
        self.alarm = Alarm(service, worst.slo, worst.window.severity, self.since, worst)
        return True

    def follow(self, pairs: list[Burn]) -> tuple[Alarm, ...]:
        """Bring the alarm up to date, or end it: then it is what is returned."""
        alarm = self.alarm
        if alarm is None:
            return ()
        self.alarm = replace(alarm, burn=_worst(pairs))
        if _together(pairs) is not State.QUIET:
            return ()
        self.since, self.alarm = None, None
        return (alarm,)


_Key = tuple[Slo, Severity]


@dataclass
class _Service:
    blockers: frozenset[str]
    alerts: dict[_Key, _Watched] = field(default_factory=dict)
    blocked: bool = False
    lifted: float = float("-inf")
    """When the last trouble of a dependency ended."""


class Detector:
    """*blockers*: for each service, those whose trouble explains its own. *grace*: seconds."""

    def __init__(self, blockers: Mapping[str, frozenset[str]], grace: float) -> None:
        self._services = {name: _Service(found) for name, found in blockers.items()}
        self._grace = grace

    def update(self, findings: Mapping[str, tuple[Burn, ...]], now: float) -> dict[str, Decision]:
        """Take in one look at every service; *now* in seconds since 1970."""
        trouble = {name: self._trouble(name, burns) for name, burns in findings.items()}
        return {name: self._decide(self._services[name], name, burns, trouble, now) for name, burns in findings.items()}

    def _trouble(self, name: str, burns: tuple[Burn, ...]) -> int:
        """The rank of the worst that burns or fires; -1 for none."""
        burning = [_RANK[b.window.severity] for b in burns if b.state is State.BURNING]
        states = {key: _together(_of(key, burns)) for key in self._services[name].alerts}
        firing = [
            _RANK[key[1]]
            for key, watched in self._services[name].alerts.items()
            if watched.alarm and states[key] is not State.QUIET
        ]
        return max([-1, *burning, *firing])

    def _decide(
        self, service: _Service, name: str, burns: tuple[Burn, ...], trouble: Mapping[str, int], now: float
    ) -> Decision:
        troubled = {d: trouble[d] for d in sorted(service.blockers) if trouble.get(d, -1) >= 0}
        if service.blocked and not troubled:
            service.lifted = now
        service.blocked = bool(troubled)
        began, resolved, inhibiting = False, list[Alarm](), set[str]()
        for key in {(b.slo, b.window.severity): None for b in burns}:
            watched, pairs = service.alerts.setdefault(key, _Watched()), _of(key, burns)
            if watched.alarm:
                resolved += watched.follow(pairs)
                continue
            blocking = {d for d, rank in troubled.items() if rank >= _RANK[key[1]]}
            if watched.burns(pairs, now):
                inhibiting |= blocking
            if not blocking and watched.ripe(now, self._grace if service.blockers else 0):
                began |= watched.fire(name, [b for b in pairs if now >= service.lifted + b.window.short])
        firing = tuple(w.alarm for w in service.alerts.values() if w.alarm)
        return Decision(firing, began, tuple(resolved), tuple(sorted(inhibiting)))


def blockers_of(catalog: Catalog, region: str) -> dict[str, frozenset[str]]:
    """For each service of the region: its direct and transitive dependencies there, less those that it circles with."""
    here = {name: s for name, s in catalog.services.items() if region in s.regions}
    graph = {name: [d for d in s.depends_on if d in here] for name, s in here.items()}
    reached = {name: reach(name, graph) for name in here}
    return {name: frozenset(d for d in found if name not in reached[d]) for name, found in reached.items()}


def _of(key: _Key, burns: tuple[Burn, ...]) -> list[Burn]:
    return [b for b in burns if (b.slo, b.window.severity) == key]


def _together(pairs: list[Burn]) -> State:
    """One burning pair is enough to burn; it takes all of them to be quiet."""
    states = {b.state for b in pairs}
    for state in (State.BURNING, State.UNKNOWN):
        if state in states:
            return state
    return State.QUIET


def _worst(pairs: list[Burn]) -> Burn:
    return max(pairs, key=lambda b: (b.state is State.BURNING, b.long.burn / b.window.factor))
