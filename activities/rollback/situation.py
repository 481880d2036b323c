"""Everything that a plan is made from: the troubled service, and those that may have to go back with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from activities.rollback.history import known_here, merged
from models.assessment import Assessment
from models.base import Frozen, Time
from models.catalog import Catalog
from models.graph import Graph, reach
from models.observation import Observation
from models.recollection import Recollection
from models.said import Said
from models.service_state import ServiceState
from models.survey import Survey
from models.telemetry import NoData
from models.verdict import Finding, Verdict


class Subject(Frozen):
    """One service that may have to go back, as it was read."""

    state: ServiceState
    """Its deployments are the platform's own, and what delivery systems told of."""
    observation: Observation
    recollection: Recollection | None
    """None: the store could not be asked."""
    foreign: tuple[str, ...] = ()
    """Releases that delivery systems told of and that nobody knows here: they are passed over."""

    def health(self, release: str) -> Verdict:
        """The verdict on one release; inconclusive where it was not measured."""
        unknown = Verdict(finding=Finding.INCONCLUSIVE, sentence=f"no requests of {release} were measured")
        return self.observation.verdicts.get(release, unknown)


class Situation(Frozen):
    """Two equal ones lead to the same plan."""

    service: str
    """The troubled one."""
    subjects: dict[str, Subject]
    """By service: the troubled one, what it depends on, and what is released with any of them."""
    assessment: Assessment
    said: Said
    at: Time
    """When the states were read."""


def concerned(catalog: Catalog, region: str, service: str) -> tuple[str, ...]:
    """Which services have to be looked at, the troubled one first."""
    here = {name: one for name, one in catalog.services.items() if region in one.regions}
    together = released_together(catalog)
    graph = {name: (*one.depends_on, *together[name]) for name, one in here.items()}
    return (service, *sorted((reach(service, graph) & here.keys()) - {service}))


def released_together(catalog: Catalog) -> Graph:
    """By service, what is released with it, whichever of the two says so."""
    found = {name: set(service.released_with) for name, service in catalog.services.items()}
    for name, service in catalog.services.items():
        for other in service.released_with:
            found[other].add(name)
    return found


def situation(
    service: str, states: Sequence[ServiceState], assessment: Assessment, said: Said, at: datetime
) -> Situation:
    """*states*: of the services that are concerned. What the assessment lacks of one of them is not known."""
    survey = assessment.survey or Survey()
    observations = dict(survey.observations)
    if assessment.observation:
        observations[service] = assessment.observation
    subjects = {
        state.service: _subject(state, observations.get(state.service), survey.recollections.get(state.service))
        for state in states
    }
    return Situation(service=service, subjects=subjects, assessment=assessment, said=said, at=at)


def _subject(state: ServiceState, observation: Observation | None, recollection: Recollection | None) -> Subject:
    nothing = NoData(service=state.service, region=state.region, reason=f"{state.service} was not looked at")
    known = {*state.replicas, *state.weights, *(state.runnable or ()), *(one.release for one in state.deployments)}
    told, foreign = known_here(known, recollection.deployments if recollection else ())
    return Subject(
        state=state.model_copy(update={"deployments": merged(state.deployments, told)}),
        foreign=foreign,
        observation=observation or Observation(window=nothing, verdicts={}),
        recollection=recollection,
    )
