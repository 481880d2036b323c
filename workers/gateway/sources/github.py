"""GitHub's webhooks about deployments.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#deployment_status. A deployment is an intention; it is a
release event once a status says ``success``. Fields that are not read here are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from pydantic import BaseModel, ValidationError

from models.base import Frozen, Time
from models.catalog import Catalog, Region
from models.deployment import DeployEvent
from workers.gateway.sources.source import Unreadable, first_complaint

GITHUB = "github"
"""The source of these events."""

FORM = b"payload="
"""How a body begins where the webhook's content type is GitHub's own default, a form with the JSON as a field."""

RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
"""What can be the name of a release: :data:`models.base.Release`."""

LONGEST = 1000
"""Characters of a description or a link."""


class _Account(BaseModel):
    login: str


class _Repository(BaseModel):
    full_name: str


class _Deployment(BaseModel):
    id: int
    sha: str
    ref: str
    environment: str
    description: str | None = None
    creator: _Account | None = None


class _Status(BaseModel):
    state: str
    created_at: Time
    target_url: str = ""


class _DeploymentStatus(BaseModel):
    deployment_status: _Status
    deployment: _Deployment
    repository: _Repository


class Ignored(Frozen):
    """An authentic message that tells of no release."""

    reason: str


def read(event: str, body: bytes, catalog: Catalog, received_at: datetime) -> tuple[DeployEvent, ...] | Ignored:
    """The release events of one message, one for each place that the catalog has for it; or the one that has none.

    *event*: of ``X-GitHub-Event``. Raises :class:`~workers.gateway.sources.source.Unreadable`.
    """
    if event != "deployment_status":
        return Ignored(reason=f'a "{event[:60]}" tells of no release; a deployment_status does')
    try:
        told = _DeploymentStatus.model_validate_json(body)
    except ValidationError as error:
        raise Unreadable(f"the body is not a deployment_status in JSON: {first_complaint(error)}") from error
    if told.deployment_status.state != "success":
        return Ignored(
            reason=f'the deployment is "{told.deployment_status.state[:60]}", and counts once it is "success"'
        )
    placed = tuple(dict.fromkeys(_placed(told, catalog, received_at)))
    return placed or (_event(told, received_at, told.deployment.sha, unrouted=_why_unrouted(told, catalog)),)


def _placed(told: _DeploymentStatus, catalog: Catalog, received_at: datetime) -> Iterator[DeployEvent]:
    for name, service in catalog.services.items():
        github = service.github
        if github is None or github.repository.lower() != told.repository.full_name.lower():
            continue
        release = told.deployment.sha if github.release == "sha" else told.deployment.ref
        for region in service.regions:
            if not _stands_for(told.deployment.environment, region, catalog.regions[region]):
                continue
            if RELEASE.fullmatch(release):
                yield _event(told, received_at, release, place=(name, region))
            else:
                reason = f'"{release[:60]}" cannot be the name of a release of {name}: deploy a tag, or count by "sha"'
                yield _event(told, received_at, release, unrouted=reason)


def _stands_for(environment: str, name: str, region: Region) -> bool:
    return environment == name or environment in region.environments


def _why_unrouted(told: _DeploymentStatus, catalog: Catalog) -> str:
    repository, environment = told.repository.full_name[:100], told.deployment.environment[:100]
    theirs = [
        name
        for name, service in catalog.services.items()
        if service.github and service.github.repository.lower() == told.repository.full_name.lower()
    ]
    if not theirs:
        return f'no service of the catalog names the repository "{repository}" under "github"'
    return f'"{environment}" stands for no region of {", ".join(theirs)}: add it to a region\'s "environments"'


def _event(
    told: _DeploymentStatus,
    received_at: datetime,
    release: str,
    place: tuple[str, str] | None = None,
    unrouted: str | None = None,
) -> DeployEvent:
    service, region = place or (None, None)
    deployment = told.deployment
    return DeployEvent(
        source=GITHUB,
        reference=f"{told.repository.full_name}/{deployment.id}",
        service=service,
        region=region,
        release=release[:LONGEST],
        at=min(told.deployment_status.created_at, received_at),
        received_at=received_at,
        url=told.deployment_status.target_url[:LONGEST] or None,
        description=(deployment.description or "")[:LONGEST] or None,
        deployer=deployment.creator.login if deployment.creator else None,
        unrouted=unrouted,
    )
