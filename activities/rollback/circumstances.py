"""From what was read of a service to what the selection's rules look at. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from activities.analytics.objectives import objectives
from activities.rollback.duration import in_words
from activities.rollback.history import SAME, closing
from activities.rollback.situation import Situation, Subject
from activities.rollback.strategies import gradual
from activities.rollback.strategies.stages import at_once, full
from activities.rollback.target import Way, way_back
from models.catalog import Catalog, Level, RollbackPolicy
from models.circumstances import Circumstances, Confidence, Loss
from models.telemetry import USERS, Count, NoData, Window
from models.verdict import Finding
from models.worth import impact_of


def way_of(catalog: Catalog, subject: Subject, at: datetime) -> Way:
    """From the newest release that serves to the newest that it is right to go back to."""
    entry, recalled = catalog.service(subject.state.service), subject.recollection
    closed = dict.fromkeys(entry.incompatible, "it does not fit the schema or configuration of now")
    proven: list[str] = []
    if recalled:
        # A point that is too old proves nothing, and closes nothing either.
        proven += [point.release for point in recalled.points if point.usable(at)]
        for hold in closing(recalled.holds, recalled.points, at):
            closed[hold.release] = (
                f"it was rolled away from by incident {hold.incident}, and since then neither a person nor a soak has "
                "shown that it is well"
            )
    if subject.state.runnable is not None:
        known = {*proven, *entry.releases, *(one.release for one in subject.state.deployments)}
        gone = known - set(subject.state.runnable)
        closed |= dict.fromkeys(gone, "the platform does not know any more how to run it")
    way = way_back(subject.state, [*proven, *entry.releases], closed)
    unknown = [f"{', '.join(subject.foreign)} was told of and is not known here"] if subject.foreign else []
    if recalled is None:
        unknown.append("which releases are held is not known: no store could be asked")
    return replace(way, sentence="; ".join((way.sentence, *unknown)))


def circumstances(
    catalog: Catalog, situation: Situation, service: str, way: Way, going_back: tuple[str, ...]
) -> Circumstances:
    """Of one service of the *situation*. *going_back*: all that must, this one among them."""
    subject = situation.subjects[service]
    state, policy = subject.state, catalog.policy_of(service).rollback
    users = _users(subject)
    missed = objectives(users, catalog.service(service).slos) if users and users.requests else ()
    failing = missed[0].bad / missed[0].total if missed else None
    projection = situation.assessment.projection if service == situation.service else None
    target = way.target or ""
    return Circumstances(
        service=service,
        obstacles=tuple(_obstacles(catalog, situation, service)),
        target=way.target,
        way=way.sentence,
        corruption=situation.said.corruption,
        incompatible=_incompatible(catalog, service, way),
        confidence=confidence(subject, way, situation.said.began_at, policy),
        burn_rate=projection.burn_rate if projection else None,
        failing=failing,
        bad=max(one.bad / one.total for one in missed) if missed else None,
        requests=users.requests if users else 0,
        rate=_rate(subject),
        loss=_loss(catalog, situation, service, failing),
        ready=state.ready.get(target, 0),
        full=full(state, target, policy),
        room=state.room,
        at_once=at_once(state, target, policy),
        at_once_gradually=gradual.most_replicas(state, target, way.bad, policy) if way.bad else 0,
        target_share=state.weights.get(target, 0),
        going_back=going_back,
        durations=subject.recollection.durations if subject.recollection else {},
        emergency_allowed=_allowed(situation, policy),
    )


def confidence(subject: Subject, way: Way, began_at: datetime, policy: RollbackPolicy) -> Confidence:
    """High where the trouble began soon after the newest release was deployed, and that release measurably fails.

    To deploy it once more during the trouble neither clears it nor convicts it. Only where it was not deployed before
    the trouble are clocks that differ allowed for.
    """
    if way.bad is None:
        return Confidence(high=False, because=way.sentence)
    times = [one.at for one in subject.state.deployments if one.release == way.bad]
    if not times:
        return Confidence(high=False, because=f"when {way.bad} was deployed is not known")
    deployed = next((at for at in times if at <= began_at), times[-1])
    since, window = began_at - deployed, timedelta(seconds=policy.change_window)
    order = "after" if deployed > began_at else "before"
    when = f"{way.bad} was deployed {in_words(abs(since))} {order} the trouble began"
    if since > window:
        return Confidence(high=False, because=f"{when}, more than {in_words(window)}")
    if since < -SAME:
        return Confidence(high=False, because=f"{when}, so it did not begin it")
    if deployed > began_at:
        when += ", which clocks that differ explain"
    health = subject.health(way.bad)
    if health.finding is not Finding.FAIL:
        return Confidence(high=False, because=f"{when}, and does not measurably fail: {health.sentence}")
    return Confidence(high=True, because=f"{when}, and fails: {health.sentence}")


def _obstacles(catalog: Catalog, situation: Situation, service: str) -> Iterator[str]:
    subject = situation.subjects[service]
    window = subject.observation.window
    if isinstance(window, NoData):
        yield f"nothing is seen of {service}, and without that no change to it can be judged: {window.reason}"
    policy = catalog.policy_of(service)
    if service != situation.service and (policy.level is not Level.FULL or policy.approval == "always"):
        yield f"{service} must go back too, and its policy does not let Sternway do that without a person"


def _incompatible(catalog: Catalog, service: str, way: Way) -> str | None:
    """Where the only releases to go back to are those that do not fit any more."""
    entry = catalog.service(service)
    return way.sentence if way.target is None and entry.incompatible else None


def _users(subject: Subject) -> Count | None:
    window = subject.observation.window
    return window.arms.get(USERS) if isinstance(window, Window) else None


def _rate(subject: Subject) -> float | None:
    window, users = subject.observation.window, _users(subject)
    return users.requests / window.seconds if isinstance(window, Window) and users else None


def _loss(catalog: Catalog, situation: Situation, service: str, failing: float | None) -> Loss:
    impact = (service == situation.service and situation.assessment.impact) or impact_of(catalog, service)
    return Loss(
        minutes=(situation.at - situation.said.began_at).total_seconds() / 60,
        per_minute=None if failing is None else failing * impact.revenue_per_minute,
        most=impact.revenue_per_minute,
        source=impact.source,
    )


def _allowed(situation: Situation, policy: RollbackPolicy) -> str | None:
    if policy.emergency:
        return "the policy"
    return situation.said.emergency_allowed_by
