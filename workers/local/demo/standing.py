"""Where a run of the demo stands, as one sentence: the view's header and the plain progress line."""

from __future__ import annotations

from models.incident import Milestone, Phase
from workers.local.demo.story import Incident, Story


def standing(story: Story) -> str:
    """Changes only when the run has come further."""
    moments, acting = story.moments, story.acting()
    if "load-stopped" in moments:
        return "stopping"
    if "fleet-ready" not in moments:
        return "starting everything"
    if "deployed" not in moments:
        return "all is well: users are served"
    if not acting:
        return "the bad release is out; no incident yet"
    if "recovered" in moments and all(incident.phase is Phase.RESOLVED for incident in acting):
        return "recovered; watching whether anything still fails"
    return ", ".join(f"{name(incident)} {incident.phase or 'begins'}" for incident in acting)


def name(incident: Incident) -> str:
    return f"{incident.service or 'a service'} {incident.region or ''}".rstrip()


def span(seconds: float | None) -> str:
    """A time for people: ``61 ms``, ``4.2 s``; empty where it is not known."""
    if seconds is None:
        return ""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def since_webhook(incident: Incident, phase: Phase) -> float | None:
    """Seconds from the webhook to the milestone that ends *phase*; none where it has none, or not yet."""
    milestone = ENDED_BY.get(phase)
    return incident.since_receipt(milestone) if milestone else None


ENDED_BY = {
    Phase.PROTECTING: Milestone.PROTECTED,
    Phase.PLANNING: Milestone.PLANNED,
    Phase.EXECUTING: Milestone.CONTAINED,
    Phase.LIFTING: Milestone.LIFTED,
    Phase.RESOLVED: Milestone.RECOVERED,
}
