"""Links both ways: from the gateway's answers to the Temporal UI, and to the gateway's own pages."""

from __future__ import annotations

from urllib.parse import quote

from models.settings import Settings


def temporal(settings: Settings, workflow: str, run: str | None) -> str:
    """The timeline of the run in the Temporal UI; the workflow's page, which finds its last run, without one."""
    page = f"{settings.temporal_ui.rstrip('/')}/namespaces/{quote(settings.temporal_namespace)}/workflows"
    page = f"{page}/{quote(workflow, safe='')}"
    return f"{page}/{quote(run, safe='')}/timeline" if run else page


def gateway(settings: Settings, incident: str) -> str:
    return f"{settings.gateway_url.rstrip('/')}/v1/incidents/{quote(incident, safe='')}"
