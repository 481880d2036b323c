"""Whether a run ended well. It did only if that is known: missing data never passes (law 5)."""

from __future__ import annotations

from models.incident import Milestone, Phase
from workers.local.demo.story import Incident, Story
from workers.local.demo.tally import Requests


def problems_of(story: Story, service: str, target: str, requests: dict[str, Requests]) -> tuple[str, ...]:
    """Every reason why *service* is not known to be well on *target*, in every region of *requests*; none: it is."""
    found = list(story.failures)
    for region, counted in requests.items():
        found += _not_recovered(story, service, region)
        found += _not_routed(story, service, target, region)
        found += _failed_afterwards(region, counted)
    found += [
        f"incident {i.id} of {i.service or 'an unknown service'} in {i.region or 'an unknown region'} {_standing(i)}"
        for i in story.acting()
        if i.phase is not Phase.RESOLVED
    ]
    if story.unreadable:
        found.append(f"{story.unreadable} lines of the load generator could not be read: counts are incomplete")
    if story.totals is None:
        found.append("the load generator gave no totals: what was under way at its end is not counted")
    return tuple(found)


def _not_recovered(story: Story, service: str, region: str) -> list[str]:
    incidents = [incident for incident in story.acting(region) if incident.service == service]
    if not incidents:
        return [f"no incident of {service} in {region} has done anything"]
    resolved = [incident for incident in incidents if incident.phase is Phase.RESOLVED]
    if any(i.verdict is None or not i.verdict.passed or i.at(Milestone.RECOVERED) is None for i in resolved):
        return [f"{service} in {region} was not verified healthy"]
    return []


def _not_routed(story: Story, service: str, target: str, region: str) -> list[str]:
    weights = story.weights.get(region)
    if weights is None:
        return [f"what serves {service} in {region} is not known"]
    if {release: weight for release, weight in weights.items() if weight} != {target: 100}:
        return [f"{service} in {region} is served by {shares(weights)}, not by {target} alone"]
    return []


def _failed_afterwards(region: str, counted: Requests) -> list[str]:
    match counted.failed_after_recovery:
        case None:
            return [f"how many requests failed after the recovery in {region} is not known"]
        case 0:
            return []
        case failed:
            return [f"{failed} requests failed after the recovery in {region}"]


def _standing(incident: Incident) -> str:
    match incident.phase:
        case None:
            return "has not told anything yet"
        case Phase.HELD:
            return f"is held: {incident.hold}"
        case phase if phase.ended:
            return f"ended {phase}: {incident.sentence or incident.detail}"
        case phase:
            return f"is still {phase}"


def shares(weights: dict[str, int]) -> str:
    """Weights for people: ``v1 100%``."""
    return ", ".join(f"{release} {weight}%" for release, weight in weights.items() if weight) or "nothing"
