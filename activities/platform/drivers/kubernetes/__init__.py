"""Kubernetes: a service is Deployments side by side, one for each release, and each carries its own receipts.

What is supported: the Deployments of one namespace with the labels ``app.kubernetes.io/name`` (the service) and
``app.kubernetes.io/version`` (the release). ``replicas/<release>`` is ``spec.replicas``, so a Deployment at rest reads
0, and never None. ``frozen`` is ``spec.paused`` of all of them: a paused Deployment is scaled, but rolls out no new
template. Nothing here keeps anybody from making another Deployment, nor from resuming one.

``restarted/<release>`` is the annotation ``kubectl.kubernetes.io/restartedAt`` of the pod template, which ``kubectl
rollout restart`` sets: *all* pods are replaced, as many at a time as the rolling strategy says. A paused Deployment
refuses it. How far it has come cannot be told from the replicas that are ready, and undoing it does nothing.

A change and its receipt are one write, a JSON patch with a ``test`` of ``metadata.resourceVersion``
(:mod:`~activities.platform.drivers.kubernetes.records`; why, is in decision 0016). ``expected`` is compared with the
:func:`~activities.platform.drivers.kubernetes.records.generation` that was read with the object, so a write of
*another* Deployment of the service in the same moment is not noticed. Autoscalers are pinned to the number that is
wanted, and let go by undoing.

An incident is fenced on every Deployment of the namespace that has both labels, because only a write of an object makes
a late write of it fail. A Deployment that is made later is covered while another of its service still has the fence.

What no real API server has confirmed: all of it. It was tested on the wire against a double
(``tests/platform/api_server.py``), with lightkube and kubectl as clients. From Kubernetes' sources it is taken that a
Deployment's generation moves with its annotations as with its spec, and that a failed ``test`` is answered with 422.
``kubectl rollout undo`` puts back the annotations of an older ReplicaSet, and with them older receipts: where there is
one Deployment for each release nobody needs it, and what it removes cannot be undone by Sternway any more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from pydantic import ValidationError

from activities.driver import Refused, Unavailable
from activities.platform.driver import Workload
from activities.platform.drivers.kubernetes import deciding, objects, records
from activities.platform.drivers.kubernetes.api import ApiServer, Overtaken
from activities.platform.drivers.kubernetes.deciding import Write
from activities.platform.drivers.kubernetes.objects import Service
from activities.platform.fields import ChangedFields
from models.catalog import Driver
from models.identity import Key
from models.receipt import Fence, Fields, Receipt

SECONDS = 5.0
"""That one request may take."""

OBSERVED = 1.0
"""Seconds in which the deployment controller may look at what is wanted."""

ATTEMPTS = 20
"""How often somebody else may come between reading and writing: each time, somebody got on."""


class KubernetesPlatform:
    """An implementation of :class:`activities.platform.driver.Platform`."""

    def __init__(self, driver: Driver, seconds: float = SECONDS) -> None:
        self._server = ApiServer(driver, seconds)

    async def close(self) -> None:
        await self._server.close()

    async def read(self, region: str, service: str) -> Workload:
        """Waits for the controller: until it has looked at what is wanted, its status counts for an older wish."""
        deadline = time.monotonic() + OBSERVED
        while True:
            seen, replica_sets = await asyncio.gather(self._look(region, service), self._server.replica_sets(service))
            unseen = [objects.named(one) for one in seen.deployments if not one.observed]
            if not unseen:
                return objects.workload(seen, records.generation(seen), replica_sets)
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"the deployment controller has not looked at the last change of {', '.join(unseen)}, so nobody "
                    "knows what is ready; does kube-controller-manager run?"
                )
            await asyncio.sleep(0.02)

    async def change(self, key: Key, region: str, service: str, fields: Fields, expected: int | None) -> Receipt:
        try:
            wanted: Fields = ChangedFields.model_validate(fields).model_dump(exclude_unset=True)
        except ValidationError as error:
            raise Refused(f"{key} asks for what no platform can do: {error}") from error
        return await self._carry_out(
            region, service, lambda seen: deciding.change(seen, key, wanted, expected, datetime.now(UTC))
        )

    async def undo(self, key: Key, region: str, service: str) -> Receipt:
        return await self._carry_out(region, service, lambda seen: deciding.undo(seen, key, datetime.now(UTC)))

    async def receipts(self, incident: str) -> tuple[Receipt, ...]:
        things = await asyncio.gather(self._server.deployments(), self._server.autoscalers())
        return records.receipts_of([*things[0], *things[1]], incident)

    async def fence(self, incident: str) -> Fence:
        now = datetime.now(UTC)
        for _ in range(ATTEMPTS):
            deployments = await self._server.deployments()
            fenced = [at for one in deployments if (at := records.fences(one).get(incident))]
            at = min(fenced, default=now)
            if len(fenced) == len(deployments):
                return Fence(incident=incident, at=at)
            with suppress(Overtaken):
                for deployment in deployments:
                    if incident not in records.fences(deployment):
                        await self._server.write(deciding.fence(deployment, incident, at))
        raise _no_rest("the Deployments")

    async def _carry_out(self, region: str, service: str, decide: Callable[[Service], Receipt | Write]) -> Receipt:
        """Answers once a look finds nothing left to write: a Deployment may have been made since the one before."""
        for _ in range(ATTEMPTS):
            seen = await self._look(region, service)
            answer = decide(seen)
            if isinstance(answer, Receipt):
                return answer
            with suppress(Overtaken):
                while isinstance(answer, Write):
                    seen = seen.with_written(await self._server.write(answer))
                    answer = decide(seen)
        raise _no_rest(f"{region}/{service}")

    async def _look(self, region: str, service: str) -> Service:
        deployments, autoscalers = await asyncio.gather(self._server.deployments(service), self._server.autoscalers())
        return objects.service(f"{region}/{service}", deployments, autoscalers)


def _no_rest(what: str) -> Unavailable:
    return Unavailable(f"somebody else wrote {what} each of the {ATTEMPTS} times that it was tried; try again")
