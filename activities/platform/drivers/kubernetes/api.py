"""Speaking to the API server: what the driver needs of it, its answers turned into the three ways to say no."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final, TypeVar

import httpx2
import msgspec
from lightkube.config.kubeconfig import SingleConfig
from lightkube.config.models import Cluster, Context, User
from lightkube.core.async_client import AsyncClient
from lightkube.core.exceptions import ApiError, ConfigError
from lightkube.resources import apps_v1, autoscaling_v2
from lightkube.types import PatchType
from pydantic import ValidationError

from activities.driver import Refused, Unavailable
from activities.platform.drivers.kubernetes.deciding import Write
from activities.platform.drivers.kubernetes.objects import (
    RELEASE,
    RESTART,
    SERVICE,
    TEMPLATE_ANNOTATIONS,
    Autoscaler,
    Deployment,
    Part,
    ReplicaSet,
    Thing,
    named,
)
from models.catalog import Driver

ASK_AGAIN: Final = (408, 429)
"""Request timeout and too many requests: 4xx, but over when it is asked again."""

NOT_ALLOWED: Final = (401, 403)
ROLE: Final = "; does the token belong to an account with the Role of deploy/kubernetes/access.yaml in that namespace?"

FAILED_TEST: Final = 422
"""What a JSON patch whose ``test`` fails is answered with; and one that would make an object invalid."""

OVERTAKEN: Final = (404, 409, FAILED_TEST)
"""Answers to a guarded write of what was there a moment ago."""

RESOURCES: Final[dict[type[Part], type]] = {
    Deployment: apps_v1.Deployment,
    Autoscaler: autoscaling_v2.HorizontalPodAutoscaler,
    ReplicaSet: apps_v1.ReplicaSet,
}

PartOf = TypeVar("PartOf", bound=Part)


class Overtaken(Exception):
    """Somebody else wrote the object since it was read, and nothing was written: read it again and decide anew."""


class ApiServer:
    """The objects of one namespace. Raises ``Refused`` and ``Unavailable``."""

    def __init__(self, driver: Driver, seconds: float) -> None:
        """*seconds*: what one request may take."""
        self._driver = driver
        self._url = driver.url.rstrip("/")
        self._seconds = seconds

    # Any: its types are of dicts of nothing in particular, and pydantic checks what it answers.
    @cached_property
    def _client(self) -> Any:
        """Made when something is asked, because the certificates of ``ca_file`` are read then."""
        config = SingleConfig(
            context_name="sternway",
            context=Context(cluster="sternway", namespace=self._driver.namespace),
            cluster=Cluster(server=self._url, certificate_auth=self._driver.ca_file),
            user=User(token_file=self._driver.token_file),
        )
        timeout = httpx2.Timeout(self._seconds)
        return AsyncClient(config, timeout=timeout, trust_env=False, field_manager="sternway")

    async def close(self) -> None:
        if "_client" in vars(self):
            await self._client.close()

    async def deployments(self, service: str | None = None) -> tuple[Deployment, ...]:
        """By name: those of the service, or of all services."""
        labels: dict[str, str | None] = {SERVICE: service} if service else {SERVICE: None, RELEASE: None}
        found = await self._list(Deployment, labels)
        return tuple(sorted(found, key=lambda deployment: deployment.metadata.name))

    async def autoscalers(self) -> tuple[Autoscaler, ...]:
        return await self._list(Autoscaler, {})

    async def replica_sets(self, service: str) -> tuple[ReplicaSet, ...]:
        return await self._list(ReplicaSet, {SERVICE: service})

    async def write(self, write: Write) -> Thing:
        """The object as it is afterwards. Raises :class:`Overtaken` as well."""
        thing = write.thing
        resource, operations = RESOURCES[type(thing)], _operations(write)
        try:
            with self._asking(f"write {named(thing)}"):
                written = await self._client.patch(resource, thing.metadata.name, operations, patch_type=PatchType.JSON)
                return thing.model_validate(written.to_dict())
        except Overtaken as overtaken:
            await self._refuse_if_still(thing, overtaken)
            raise

    async def _refuse_if_still(self, thing: Thing, overtaken: Overtaken) -> None:
        """An object that nobody has written since cannot have failed the test of its version."""
        error = overtaken.__cause__
        if not isinstance(error, ApiError) or error.status.code != FAILED_TEST:
            return
        with self._asking(f"read {named(thing)}"):
            found = await self._client.get(RESOURCES[type(thing)], thing.metadata.name)
            version = type(thing).model_validate(found.to_dict()).metadata.resource_version
        if version == thing.metadata.resource_version:
            raise Refused(f"Kubernetes at {self._url} refused to write {named(thing)}: {error}") from error

    async def _list(self, part: type[PartOf], labels: dict[str, str | None]) -> tuple[PartOf, ...]:
        resource = RESOURCES[part]
        with self._asking(f"list the {resource.__name__}s"):
            found = self._client.list(resource, labels=labels or None)
            return tuple([part.model_validate(one.to_dict()) async for one in found])

    @contextmanager
    def _asking(self, what: str) -> Generator[None]:
        try:
            yield
        except ApiError as error:
            code = error.status.code or error.response.status_code
            if code in OVERTAKEN and error.request.method == "PATCH":
                raise Overtaken from error
            if 400 <= code < 500 and code not in ASK_AGAIN:
                cure = ROLE if code in NOT_ALLOWED else ""
                raise Refused(f"Kubernetes at {self._url} refused to {what}: {code} {error}{cure}") from error
            raise Unavailable(f"Kubernetes at {self._url} could not {what}: {code} {error}") from error
        except httpx2.HTTPStatusError as error:
            raise Unavailable(f"Kubernetes at {self._url} could not {what}: {error}") from error
        except httpx2.HTTPError as error:
            message = f"Kubernetes at {self._url} did not answer: {error or type(error).__name__}"
            raise Unavailable(message) from error
        except (ConfigError, OSError) as error:
            files = f"token_file {self._driver.token_file} and ca_file {self._driver.ca_file}"
            raise Refused(f"Kubernetes at {self._url} cannot be spoken to with {files}: {error}") from error
        # KeyError: lightkube takes it that every answer names its type.
        except (msgspec.MsgspecError, ValidationError, ValueError, KeyError) as error:
            raise Unavailable(
                f"{self._url} answered something else than Kubernetes would; is that the API server's address?"
            ) from error


def _operations(write: Write) -> list[dict[str, Any]]:
    """The JSON patch: nothing of it is done unless the object is still the one that was read."""
    meta = write.thing.metadata
    pointer = write.annotation.replace("~", "~0").replace("/", "~1")
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": meta.resource_version},
        *_for_a_restart(write),
        *({"op": "add", "path": path, "value": value} for path, value in write.values.items()),
        *(() if meta.annotations else ({"op": "add", "path": "/metadata/annotations", "value": {}},)),
        {"op": "add", "path": f"/metadata/annotations/{pointer}", "value": write.text},
    ]


def _for_a_restart(write: Write) -> list[dict[str, Any]]:
    """Its annotation needs the others of the pod template, which may have none."""
    if RESTART not in write.values or not isinstance(write.thing, Deployment):
        return []
    if write.thing.spec.template.metadata.annotations:
        return []
    return [{"op": "add", "path": TEMPLATE_ANNOTATIONS, "value": {}}]
