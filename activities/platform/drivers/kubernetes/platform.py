"""The driver: read, decide, write, and look again until what is there is the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from activities.driver import Refused, Unavailable
from activities.platform.driver import Workload
from activities.platform.drivers.kubernetes import decisions
from activities.platform.drivers.kubernetes.cluster import Cluster
from activities.platform.drivers.kubernetes.decisions import Writes
from activities.platform.drivers.kubernetes.homes import Home, generation, state_of
from activities.platform.drivers.kubernetes.objects import Deployment
from models.catalog import Driver
from models.identity import Key
from models.receipt import Fence, Fields, Receipt

SECONDS = 3.0
"""That one request may take."""
PATIENCE = 5.0
"""Seconds for which a write is tried again while others write the same object."""
OBSERVED = 1.0
"""Seconds in which the deployment controller may look at a change; it takes some milliseconds where it is well."""
MOST_REPLICAS = 200
"""Of one release: a slip of the keyboard must not fill a cluster."""

_RELEASE = "[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
_REPLICAS = TypeAdapter(
    Annotated[
        dict[
            Annotated[str, Field(pattern=f"^replicas/{_RELEASE}")],
            Annotated[int, Field(ge=0, le=MOST_REPLICAS, strict=True)],
        ],
        Field(min_length=1),
    ]
)
_HELD = TypeAdapter(
    dict[Annotated[str, Field(pattern=f"^(synced|autoscaled)/{_RELEASE}")], Annotated[bool, Field(strict=True)]]
)

Answer = TypeVar("Answer", Receipt, Fence)


class KubernetesPlatform:
    """An implementation of :class:`activities.platform.driver.Platform` in one namespace of one cluster."""

    def __init__(self, driver: Driver, seconds: float = SECONDS) -> None:
        self._driver = driver
        self._cluster = Cluster(driver, seconds)

    async def close(self) -> None:
        await self._cluster.close()

    async def read(self, region: str, service: str) -> Workload:
        deadline = time.monotonic() + OBSERVED
        while True:
            homes = await self._of(service)
            unseen = [home.name for home in homes if isinstance(home.object, Deployment) and not _observed(home.object)]
            if not unseen:
                return _workload(homes)
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"the deployment controller has not looked at the last change of {', '.join(unseen)}, so nobody "
                    "knows what is ready; does kube-controller-manager run?"
                )
            await asyncio.sleep(0.02)

    async def change(self, key: Key, region: str, service: str, fields: Fields, expected: int | None) -> Receipt:
        held = fields and all(name.startswith(("synced/", "autoscaled/")) for name in fields)
        try:
            (_HELD if held else _REPLICAS).validate_python(fields)
        except ValidationError as error:
            raise Refused(f"{fields} is no change of replicas, or of what holds them: {error}") from error
        resource = f"{region}/{service}"
        decide = partial(decisions.change, key=key, resource=resource, fields=fields, expected=expected)
        return await self._until_written(partial(self._of, service), decide)

    async def undo(self, key: Key, region: str, service: str) -> Receipt:
        decide = partial(decisions.undo, key=key, resource=f"{region}/{service}")
        return await self._until_written(partial(self._of, service), decide)

    async def receipts(self, incident: str) -> tuple[Receipt, ...]:
        return decisions.receipts(await self._cluster.homes(None), _checked(incident))

    async def fence(self, incident: str) -> Fence:
        decide = partial(decisions.fence, incident=_checked(incident))
        return await self._until_written(partial(self._cluster.homes, None), decide)

    async def _of(self, service: str) -> tuple[Home, ...]:
        """Where the service's fields live. Raises ``Refused`` where that is not clear, ``Unavailable``."""
        homes = await self._cluster.homes(service)
        where = f"namespace {self._driver.namespace} of {self._driver.url}"
        if not homes:
            label = f"{self._driver.service_label}={service}"
            raise Refused(f"service {service!r} is not known here: no Deployment in {where} has the label {label}")
        names: dict[str, str] = {}
        for home in homes:
            if not isinstance(home.object, Deployment):
                continue
            if not home.release:
                raise Refused(f"{home.name} in {where} needs the label {self._driver.release_label} with its release")
            if home.release in names:
                both = f"{names[home.release]} and {home.name}"
                raise Refused(f"{both} in {where} are the same release {home.release} of {service}; remove one of them")
            names[home.release] = home.name
        return homes

    async def _until_written(
        self,
        look: Callable[[], Awaitable[Sequence[Home]]],
        decide: Callable[..., Answer | Writes],
    ) -> Answer:
        deadline, pause = time.monotonic() + PATIENCE, 0.01
        while True:
            decided = decide(await look(), now=datetime.now(UTC))
            if not isinstance(decided, tuple):
                return decided
            if time.monotonic() > deadline:
                names = ", ".join(write.home.name for write in decided)
                raise Unavailable(f"others wrote {names} again and again for {PATIENCE:g} s, so ours did not get in")
            await asyncio.gather(*(self._cluster.write(write) for write in decided))
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.3)


def _observed(deployment: Deployment) -> bool:
    return deployment.status.observed_generation >= deployment.metadata.generation


def _workload(homes: Sequence[Home]) -> Workload:
    deployments = {home.release: home.object for home in homes if isinstance(home.object, Deployment)}
    events = [event for home in homes for event in home.history]
    return Workload(
        generation=generation(homes),
        state=state_of(homes),
        replicas={release: one.spec.replicas for release, one in deployments.items()},
        ready={release: one.status.ready_replicas for release, one in deployments.items()},
        deployments=tuple(sorted(events, key=lambda event: event.at, reverse=True)),
    )


def _checked(incident: str) -> str:
    if not incident or ":" in incident:
        raise Refused(f"{incident!r} is no incident: it is what the keys of its changes begin with, and has no colon")
    return incident
