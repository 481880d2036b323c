"""What a preventive action is for a service as it was read, within the bounds of its policy. Pure.

| action | steps | undone by |
|---|---|---|
| scale | more replicas of the release that has most of the traffic | the number before |
| warm | a replica of the release before, where it has none; copies of GET requests to it | both as before |
| shift-weight | capacity of the release before; its share of the requests | the shares, the number before |
| shed-low-value | the breakers of the tier *system* | restoring them |
| restart-replica | one fresh replica in the place of the oldest | nothing: it is lossless |
| roll-back | an alert, which begins an incident | the incident's own saga |
"""

from __future__ import annotations

from datetime import datetime

from activities.predictor.preventive_actions import added
from activities.rollback.strategies.stages import fits, needed, route, scale, shares
from activities.rollback.target import Way
from models.breaker import Trip
from models.catalog import MeshShedding, Policy, PreventionPolicy
from models.intent import Tier
from models.prevention import Action
from models.prevention_run import Measures, approved
from models.service_state import ServiceState
from models.stage import Mirror, Ready, Restart, StageStep


def measures(
    action: Action, state: ServiceState, way: Way | None, policy: Policy, because: str, now: datetime
) -> Measures:
    """*way*: to the release before; none where it is not known which releases are held."""
    rules = policy.prevention
    if rules is None or not approved(action, rules):
        return _cannot(state, f"the policy does not approve {action}")
    serving = max(sorted(state.weights), key=state.weights.__getitem__, default=None)
    if serving is None or not state.weights[serving]:
        return _cannot(state, f"nothing of {state.service} is routed in {state.region}")
    match action:
        case Action.SCALE:
            return _scaled(state, serving, rules, policy)
        case Action.RESTART:
            return _restarted(state, serving, policy, now)
        case Action.SHED:
            return _shed(state, policy, because)
        case Action.ROLL_BACK:
            return Measures(state=state, sentence=f"begin an incident of {state.service}, which plans a rollback")
        case Action.WARM | Action.SHIFT:
            if way is None:
                return _cannot(state, "which releases are held is not known: no store could be asked")
            if way.target is None or way.bad is None:
                return _cannot(state, way.sentence)
            before = _warmed if action is Action.WARM else _shifted
            return before(state, way.target, way.bad, rules, policy)


def _cannot(state: ServiceState, why: str) -> Measures:
    return Measures(state=state, cannot=why, sentence=why)


def _of(state: ServiceState, *steps: StageStep) -> Measures:
    return Measures(state=state, steps=steps, sentence="; ".join(step.title for step in steps))


def _scaled(state: ServiceState, serving: str, rules: PreventionPolicy, policy: Policy) -> Measures:
    now = state.replicas.get(serving, 0)
    wanted = now + min(added(now), rules.scale or 0)
    if full := _no_room(state, serving, wanted):
        return full
    return _of(state, scale("scale", state, serving, wanted, policy.rollback))


def _restarted(state: ServiceState, serving: str, policy: Policy, now: datetime) -> Measures:
    replicas = state.replicas.get(serving, 0)
    step = StageStep(
        id="restart",
        title=f"replace the replica of {serving} that has run longest",
        operation=Restart(release=serving, at=now),
        check=Ready(release=serving, replicas=replicas, timeout=policy.rollback.ready_timeout),
    )
    return _of(state, step)


def _shed(state: ServiceState, policy: Policy, because: str) -> Measures:
    shed = policy.breakers.shed if policy.breakers else None
    limit = shed.max_requests if isinstance(shed, MeshShedding) else None
    if shed is None or (isinstance(shed, MeshShedding) and limit is None):
        return _cannot(state, "the policy does not say how to shed before anything is saturated")
    trip = Trip(tier=Tier.SYSTEM, because=because, max_requests=limit)
    return Measures(state=state, trip=trip, sentence=f"shed requests to {state.service}, by {shed.by}")


def _warmed(state: ServiceState, target: str, _bad: str, rules: PreventionPolicy, policy: Policy) -> Measures:
    percent, wanted = rules.warm or 0, max(1, state.replicas.get(target, 0))
    if full := _no_room(state, target, wanted):
        return full
    copies = StageStep(
        id="warm-copies",
        title=f"send {target} a copy of {percent}% of the GET requests",
        operation=Mirror(release=target, percent=percent),
    )
    return _of(state, scale("warm-capacity", state, target, wanted, policy.rollback), copies)


def _shifted(state: ServiceState, target: str, bad: str, rules: PreventionPolicy, policy: Policy) -> Measures:
    percent, has = rules.shift or 0, state.weights.get(target, 0)
    if has >= percent:
        return _cannot(state, f"{target} has {has}% of the requests already")
    wanted = needed(state, target, percent, policy.rollback)
    if full := _no_room(state, target, wanted):
        return full
    return _of(
        state,
        scale("shift-capacity", state, target, wanted, policy.rollback),
        route("shift-weight", shares(state, target, bad, percent), target, policy.rollback),
    )


def _no_room(state: ServiceState, release: str, wanted: int) -> Measures | None:
    replicas = sum(state.replicas.values()) - state.replicas.get(release, 0) + wanted
    if fits(replicas, state.room):
        return None
    return _cannot(state, f"there is room for {state.room} replicas, {replicas} are wanted")
