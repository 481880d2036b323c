"""Deployments: as platforms know them, and as delivery systems tell of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from models.base import Frozen, Release, Time

Words = Annotated[str, Field(max_length=1000)]


class Deployment(Frozen):
    """One release of one service in one region, and since when."""

    release: str
    at: Time


class DeploymentReport(Frozen):
    """The body of ``POST /v1/deployments``."""

    service: str
    region: str | None = None
    """May be left out where the service lives in exactly one."""
    release: Release
    at: Time | None = None
    """When it was deployed; none: just now."""
    url: Words | None = None
    """Where people read more about it."""
    description: Words | None = None
    deployer: Words | None = None
    """Who, or what, has deployed it."""


class DeployEvent(Frozen):
    """One release of one service in one region, as somebody told of it; or one that has no place in the catalog."""

    source: str
    """``api`` or ``github``."""
    reference: str
    """The source's own name of it: the same reference is the same deployment."""
    service: str | None
    region: str | None
    """Both none: it has no place."""
    release: str
    at: Time
    received_at: Time
    url: str | None = None
    description: str | None = None
    deployer: str | None = None
    unrouted: str | None = None
    """Why it has no place in the catalog."""
