"""One namespace of one cluster: what is read of it, and guarded writes, with the API server's answers in our words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Generator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import httpx2
import msgspec
import yaml
from lightkube import AsyncClient, KubeConfig, SingleConfig
from lightkube.config.kubeconfig import SERVICE_ACCOUNT
from lightkube.config.models import Cluster as ClusterAddress
from lightkube.config.models import Context, User
from lightkube.core.exceptions import ApiError, ConfigError
from lightkube.generic_resource import (
    GenericNamespacedResource,
    create_namespaced_resource,  # pyright: ignore[reportUnknownVariableType] -- one argument that is not used here has no type
)
from lightkube.types import PatchType
from pydantic import ValidationError

from activities.driver import Refused, Unavailable
from activities.platform.drivers.kubernetes.decisions import Write
from activities.platform.drivers.kubernetes.homes import Home, homes_of, operations
from activities.platform.drivers.kubernetes.objects import Autoscaler, Deployment, ReplicaSet, Said
from models.catalog import Driver

DEPLOYMENTS = create_namespaced_resource("apps", "v1", "Deployment", "deployments")
REPLICA_SETS = create_namespaced_resource("apps", "v1", "ReplicaSet", "replicasets")
AUTOSCALERS = create_namespaced_resource("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")

ASK_AGAIN = (408, 429)
"""Request timeout and too many requests: 4xx, but over when it is asked again."""
SOMEBODY_ELSE = (404, 409, 422)
"""Gone, written in the meantime, or, for a JSON patch, a ``test`` that failed."""

WRITES_AT_ONCE = 10
"""A fence writes every Deployment of the namespace."""

Kind = TypeVar("Kind", bound=Said)
Resource = type[GenericNamespacedResource]


class Api(Protocol):
    """What is used of lightkube's client, whose own types are partly unknown. Raises ``ApiError``, ``HTTPError``."""

    def list(self, res: Resource, *, labels: dict[str, str | None] | None) -> AsyncIterable[dict[str, Any]]: ...

    async def get(self, res: Resource, name: str) -> dict[str, Any]: ...

    async def patch(self, res: Resource, name: str, obj: list[dict[str, Any]], *, patch_type: PatchType) -> object: ...

    async def close(self) -> None: ...


class Cluster:
    def __init__(self, driver: Driver, seconds: float) -> None:
        """*seconds*: how long one request may take; then it is Unavailable."""
        self._driver, self._seconds = driver, seconds
        self._writing = asyncio.Semaphore(WRITES_AT_ONCE)

    @cached_property
    def _client(self) -> Api:
        client = AsyncClient(
            config=_access(self._driver),
            namespace=self._driver.namespace,
            timeout=httpx2.Timeout(self._seconds),
            field_manager="sternway",
            trust_env=False,
        )
        return cast("Api", client)

    async def close(self) -> None:
        await self._client.close()

    async def homes(self, service: str | None) -> tuple[Home, ...]:
        """Where the fields of *service* live; None: of every service. Raises ``Refused``, ``Unavailable``.

        Lists without a resourceVersion are the newest there is, which fencing relies on.
        """
        ours: dict[str, str | None] = {self._driver.service_label: service}
        lists = await asyncio.gather(
            self._list(DEPLOYMENTS, Deployment, ours),
            self._list(REPLICA_SETS, ReplicaSet, ours),
            self._list(AUTOSCALERS, Autoscaler, None),
        )
        return homes_of(*lists, self._driver.release_label)

    async def write(self, write: Write) -> None:
        """Does nothing where somebody else has written the object since it was read: look again.

        Raises ``Refused``, ``Unavailable``.
        """
        home = write.home
        kind = DEPLOYMENTS if isinstance(home.object, Deployment) else AUTOSCALERS
        async with self._writing:
            await self._patch(kind, home, operations(home, write.ledger, write.fields))

    async def _patch(self, kind: Resource, home: Home, operations: list[dict[str, Any]]) -> None:
        with self._answers(f"PATCH {home.name}"):
            try:
                await self._client.patch(kind, home.meta.name, operations, patch_type=PatchType.JSON)
            except ApiError as error:
                if _code(error) not in SOMEBODY_ELSE:
                    raise
                if _code(error) == 422 and await self._unmoved(kind, home):
                    raise  # it was the server that did not want it

    async def _unmoved(self, kind: Resource, home: Home) -> bool:
        now = await self._client.get(kind, home.meta.name)
        return now["metadata"]["resourceVersion"] == home.meta.resource_version

    async def _list(self, kind: Resource, model: type[Kind], labels: dict[str, str | None] | None) -> list[Kind]:
        with self._answers(f"list {kind.__name__}s"):
            return [model.model_validate(one) async for one in self._client.list(kind, labels=labels)]

    @contextmanager
    def _answers(self, what: str) -> Generator[None]:
        """What the API server says, as one of the ways in which a driver says no."""
        where = f"the Kubernetes API at {self._driver.url}"
        try:
            yield
        except ConfigError as error:
            raise Refused(f"no access to {where}: {error}") from error
        except httpx2.HTTPStatusError as error:
            code = _code(error)
            if not 400 <= code < 500 or code in ASK_AGAIN:
                raise Unavailable(f"{where} could not do {what}: {code} {error}") from error
            cure = "; does the account have the Role of deploy/kubernetes there?" if code in (401, 403) else ""
            raise Refused(f"{where} refused {what}: {code} {error}{cure}") from error
        except httpx2.HTTPError as error:
            raise Unavailable(f"{where} did not answer: {error or type(error).__name__}") from error
        except (msgspec.MsgspecError, ValidationError, KeyError, TypeError) as error:
            raise Unavailable(f"{where} answered {what} with something else; is that its address?") from error


def _code(error: httpx2.HTTPStatusError) -> int:
    return error.response.status_code


def _access(driver: Driver) -> SingleConfig:
    """How to reach and convince the API server. Raises ``ConfigError``.

    With the kubeconfig's user for that server; or with the service account of our own pod; or, where there is no TLS,
    as nobody: ``kubectl proxy`` puts its own user in.
    """
    if driver.kubeconfig:
        return _from_file(driver, Path(driver.kubeconfig).expanduser())
    context = Context(cluster=driver.url)
    if driver.url.startswith("http:"):
        return SingleConfig("", context, ClusterAddress(server=driver.url, insecure=True), User())
    token, authority = Path(SERVICE_ACCOUNT, "token"), Path(SERVICE_ACCOUNT, "ca.crt")
    if not token.exists():
        raise ConfigError("this process has no service account of a pod; name a kubeconfig in the catalog")
    address = ClusterAddress(server=driver.url, certificate_auth=str(authority))
    return SingleConfig("", context, address, User(token_file=str(token)))


def _from_file(driver: Driver, path: Path) -> SingleConfig:
    try:
        config = KubeConfig.from_file(path)
    except (OSError, yaml.YAMLError, msgspec.MsgspecError, KeyError, TypeError) as error:
        raise ConfigError(f"the kubeconfig {path} cannot be read: {error}") from error
    for name, context in config.contexts.items():
        address, user = config.clusters.get(context.cluster), config.users.get(context.user or "")
        if address and user and address.server.rstrip("/") == driver.url.rstrip("/"):
            return SingleConfig(name, context, address, user, path)
    raise ConfigError(f"the kubeconfig {path} has no context with a user for that server")
