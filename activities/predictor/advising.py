"""What to do about an alarm: what is at risk, what there is to act with, and which action is worth its cost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy
from temporalio import activity

from activities.analytics.store import Store, incidents, ticks
from activities.analytics.store.predictions import note_risk
from activities.analytics.store.preventions import Outcome, outcomes, spent
from activities.analytics.store.ticks import Tick
from activities.directory import Directory
from activities.predictor import contract
from activities.predictor.forecasting.comparing import choose as choose_forecaster
from activities.predictor.forecasting.conformal import IntervalRefused
from activities.predictor.forecasting.fourier import FourierRidge
from activities.predictor.forecasting.series import RegularSeries, SeriesRefused, crossing
from activities.predictor.history import DAY_SECONDS, History
from activities.predictor.impact import PastIncident, Traffic, risk
from activities.predictor.prevention import answered_sign, choose
from activities.predictor.samples import METRICS
from activities.prevention.before import way_before
from activities.rollback.state import read_state
from activities.rollback.strategies.stages import needed
from models.catalog import Catalog, OnPoolLoss, Policy
from models.identity import new_incident_id
from models.prediction import Alarm, Evidence
from models.prevention import Action, Means, Record, Sign
from models.prevention_run import ADVISE_ONLY, LONGEST, PreventionStart
from models.scope import Scope
from models.service_state import ServiceState

LOOKED_BACK = timedelta(days=14)
"""For what is usual at this time of the day, and for how a metric goes on."""
AROUND = timedelta(minutes=15)
"""Before and after the same time of another day."""
REMEMBERED = timedelta(days=180)
"""Earlier preventions tell for so long how much an action averts."""
INCIDENTS = 50
"""Earlier ones, the newest, that tell what one costs."""
AT_ONCE = 500


class AdvisingActivities:
    def __init__(self, directory: Directory, store: Store) -> None:
        self._directory = directory
        self._store = store

    @activity.defn(name=contract.ADVISE.name)
    async def advise(self, request: contract.AdviseRequest) -> contract.Advice:
        """Note what is at risk with the alarm, and say what a prevention would begin with; none where the service's
        policy has no ``prevention``."""
        catalog = await self._directory.pinned(request.catalog)
        alarm, now = request.alarm, datetime.now(UTC)
        kept = await asyncio.to_thread(self._kept, catalog, alarm, now)
        at_risk = risk(
            catalog,
            alarm.service,
            alarm.region,
            alarm.probability,
            _traffic(kept, alarm.service, now),
            await asyncio.to_thread(self._past, catalog, alarm),
            now,
        )
        await asyncio.to_thread(note_risk, self._store, alarm.id, at_risk)
        policy = catalog.policy_of(alarm.service)
        if policy.prevention is None:
            return contract.Advice(start=None)
        scope = Scope(incident=new_incident_id(), region=alarm.region, service=alarm.service, catalog=request.catalog)
        state = await read_state(self._directory, scope)
        way = await way_before(self._directory, self._store, state, scope, now)
        seconds = min(LONGEST, (alarm.until - alarm.at).total_seconds())
        lead = await asyncio.to_thread(_lead_minutes, catalog, alarm, kept)
        prevention = choose(
            at_risk,
            _evidence(alarm),
            _means(state, way.target if way else None, policy, seconds, lead, now),
            _records(await asyncio.to_thread(outcomes, self._store, now - REMEMBERED, now)),
            policy.prevention,
            await asyncio.to_thread(spent, self._store, alarm.region, alarm.service, now),
        )
        region = catalog.regions[alarm.region]
        return contract.Advice(
            start=PreventionStart(
                **scope.model_dump(),
                peers=region.peers if region.on_pool_loss is OnPoolLoss.PEER else (),
                policy=policy,
                risk=at_risk,
                prevention=prevention,
                seconds=seconds,
            )
        )

    def _kept(self, catalog: Catalog, alarm: Alarm, now: datetime) -> list[Tick]:
        interval, found = catalog.prediction.interval, list[Tick]()
        after = int((now - LOOKED_BACK).timestamp()) // interval
        while more := ticks.ticks(self._store, alarm.region, interval, after, AT_ONCE):
            found += [
                tick.model_copy(update={"samples": {alarm.service: tick.samples.get(alarm.service, "")}})
                for tick in more
            ]
            after = more[-1].number
        return found

    def _past(self, catalog: Catalog, alarm: Alarm) -> list[PastIncident]:
        """The service's incidents in this region that are over."""
        interval = catalog.prediction.interval
        past: list[PastIncident] = []
        for one in incidents.of_service(self._store, alarm.region, alarm.service, INCIDENTS):
            ended_at = one.ended_at or one.received_at
            first, last = (int(at.timestamp()) // interval for at in (one.received_at, ended_at))
            during = ticks.ticks(self._store, alarm.region, interval, first - 1, last - first + 1)
            measured = [_sampled(tick, alarm.service, "error_share") for tick in during if tick.number <= last]
            lost = [error for error in measured if error is not None]
            minutes = (ended_at - one.received_at).total_seconds() / 60
            past.append(PastIncident(minutes=minutes, lost=sum(lost) / len(lost) if lost else None))
        return past


def _sampled(tick: Tick, service: str, metric: str) -> float | None:
    """None where there was no sample, or the metric was not known."""
    reading = tick.samples.get(service)
    return None if reading is None or isinstance(reading, str) else reading[1 + METRICS.index(metric)]


def _traffic(kept: Sequence[Tick], service: str, now: datetime) -> Traffic | None:
    """Of the last sample, beside the median of what was at this time of the other days."""
    known = [(tick.at, rate) for tick in kept if (rate := _sampled(tick, service, "requests_per_second")) is not None]
    if not known:
        return None
    at, rate = known[-1]
    usual = [other for then, other in known if now - then > timedelta(hours=12) and _same_time(then, at)]
    return Traffic(at=at, requests_per_minute=60 * rate, usual=60 * float(numpy.median(usual)) if usual else None)


def _same_time(one: datetime, other: datetime) -> bool:
    apart = abs(one - other).total_seconds() % DAY_SECONDS
    return min(apart, DAY_SECONDS - apart) <= AROUND.total_seconds()


def _evidence(alarm: Alarm) -> list[Evidence]:
    """What speaks for the incident, metric by metric."""
    return [
        Evidence(metric=one.feature, weight=one.log_odds, rising=one.value > one.usual)
        for one in alarm.metrics
        if one.log_odds > 0
    ]


def _records(earlier: Sequence[Outcome]) -> list[Record]:
    """What became of earlier preventions of any service, by action and by the sign that it answered to.

    Going back is not among them: an incident begins then, and it is the same that was predicted.
    """
    counted: dict[tuple[Action, Sign], list[Outcome]] = {}
    for one in earlier:
        action = one.acts.action
        sign = None if action is Action.ROLL_BACK else answered_sign(action, one.start.prevention.signs)
        if sign is not None:
            counted.setdefault((action, sign), []).append(one)
    return [
        Record(
            action=action,
            sign=sign,
            foretold=sum(one.start.risk.probability for one in same),
            incidents=sum(one.incident for one in same),
            harmed=sum(one.harmed for one in same),
            taken=len(same),
        )
        for (action, sign), same in counted.items()
    ]


def _means(
    state: ServiceState, before: str | None, policy: Policy, seconds: float, lead: float | None, now: datetime
) -> Means:
    serving = max(sorted(state.weights), key=state.weights.__getitem__, default=None)
    deployed_at = state.deployed_at(serving) if serving else None
    rules = policy.prevention or ADVISE_ONLY
    dollars = rules.replica_dollars_an_hour
    shifted = None
    if before is not None and rules.shift is not None:
        shifted = needed(state, before, rules.shift, policy.rollback) - state.replicas.get(before, 0)
    return Means(
        replicas=state.replicas.get(serving) if serving else None,
        room=state.room,
        replica_dollars=None if dollars is None else dollars / 60,
        release_minutes=None if deployed_at is None else (now - deployed_at).total_seconds() / 60,
        release_before=before,
        shift_replicas=shifted,
        shed_revenue=None if rules.shed is None else rules.shed / 100,
        minutes=seconds / 60,
        lead_minutes=lead,
    )


def _lead_minutes(catalog: Catalog, alarm: Alarm, kept: Sequence[Tick]) -> float | None:
    """Until the slowest twentieth of the answers is expected to be slower than the objective; none: not foreseen."""
    latency, asked = catalog.services[alarm.service].slos.latency, catalog.prediction
    if latency is None:
        return None
    history, values = History([alarm.service], asked.interval), list[float]()
    for tick in kept:
        for _, rows in history.follow(tick, ()):
            values += [one.row.values[METRICS.index("p95_ms")] for one in rows]
    try:
        series = RegularSeries(
            f"p95 of {alarm.service}", numpy.array(values), asked.interval, DAY_SECONDS // asked.interval
        )
        chosen = choose_forecaster(series, [FourierRidge()], asked.horizon // asked.interval)
        reached = crossing(chosen.forecast(series), latency.threshold_ms)
    except (SeriesRefused, IntervalRefused):  # nothing can be foreseen of it
        return None
    if reached is None or reached.expected is None:
        return None
    return reached.expected * asked.interval / 60
