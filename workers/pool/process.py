"""One process of a region's pool: workflows on the neutral queue, activities on the region's own.

The predictor's pool is such a process too, with another queue and no workflows: what predicting takes in memory is then
in no other.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from pydantic import SecretStr
from temporalio.client import Client
from temporalio.worker import Worker

from activities.analytics.store.catalogs import recall, remember
from activities.analytics.store.engine import Store, open_store
from activities.analytics.store.schema import require_current
from activities.catalogs import Catalogs
from activities.directory import Directory
from models import queues
from models.base import SternwayError
from models.catalog_file import LoadedCatalog
from models.settings import Settings
from workers.catalog import load_catalog
from workers.deployment.joining import build_of, join
from workers.observability import metrics, tracing
from workers.observability.logs import logger
from workers.observability.phase_metrics import PhaseMetrics
from workers.registry import WORKFLOWS, local_activities, regional_activities
from workers.temporal import connect_when_there
from workers.worker import build

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when its parent dies."""


@dataclass(frozen=True)
class Part:
    """What a process of a pool works with."""

    client: Client
    region: str
    build: str
    catalog: LoadedCatalog
    directory: Directory
    store: Store


Working = Callable[[Part], Awaitable[list[Worker]]]
"""The workers of a process, once Temporal is there."""


async def regional(part: Part) -> list[Worker]:
    """Incidents, and the activities of the region. Joins the deployment first."""
    await join(part.client, part.build)
    local = local_activities(part.directory, part.client)
    own = regional_activities(part.directory, part.store, part.client)
    return [
        build(
            part.client,
            queues.regional(part.region),
            part.build,
            activities=own,
            interceptors=[PhaseMetrics(part.store)],
        ),
        build(
            part.client, queues.WORKFLOWS, part.build, workflows=WORKFLOWS, activities=local, remote_activities=False
        ),
    ]


async def predicting(part: Part) -> list[Worker]:
    """The region's predictions, learning where that is installed, and the schedules that ask for both."""
    from workers import predictor  # in this process alone: it loads numpy and more

    await predictor.schedule_predictions(part.client, part.region, part.catalog)
    own = predictor.predicting_activities(part.directory, part.store)
    workers = [build(part.client, queues.predicting(part.region), None, activities=own)]
    if predictor.can_learn():
        await predictor.schedule_learning(part.client)
        workers.append(build(part.client, queues.LEARNING, None, activities=predictor.learning_activities(part.store)))
    return workers


async def serve(region: str, settings: Settings, working: Working) -> None:
    """Work until SIGTERM or SIGINT; then take no more, finish what runs, and return."""
    loaded = load_catalog(settings.catalog)
    if region not in loaded.catalog.regions:
        known = ", ".join(loaded.catalog.regions)
        raise SternwayError(f"the catalog {settings.catalog} has no region {region!r}; it has {known}")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    store = open_store(settings.store_url)
    await asyncio.to_thread(require_current, store)
    await asyncio.to_thread(remember, store, loaded.digest, loaded.text)
    logger(__name__).info("catalog read", catalog=loaded.digest)
    directory = Directory(
        Catalogs(loaded, partial(recall, store)),
        protect=_secret(settings.protect_token),
        operate=_secret(settings.operate_token),
    )
    traces = tracing.start(settings, f"pool-{region}")
    name = build_of(settings)

    async def workers_when_there() -> list[Worker]:
        client = await connect_when_there(settings, traces)
        return await working(Part(client, region, name, loaded, directory, store))

    workers = await _unless(stop, workers_when_there())
    if workers is not None:
        await _work(workers, region, name, settings, stop)
    traces.close()
    store.close()


async def _unless(stop: asyncio.Event, starting: Coroutine[None, None, list[Worker]]) -> list[Worker] | None:
    """The workers, once Temporal has answered; none if we were told to stop before."""
    begun, stopping = asyncio.create_task(starting), asyncio.create_task(stop.wait())
    await asyncio.wait({begun, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if begun.done():
        return await begun
    begun.cancel()
    return None


async def _work(workers: list[Worker], region: str, name: str, settings: Settings, stop: asyncio.Event) -> None:
    log = logger(__name__)
    if settings.metrics_port:
        log.info("metrics are served", port=metrics.serve(settings.metrics_port))
    async with AsyncExitStack() as running:
        for worker in reversed(workers):
            await running.enter_async_context(worker)
        log.info("polling", region=region, build=name)
        await stop.wait()
        log.info("draining")
        # All at once: whoever has something in hand still must not take on anything new.
        await asyncio.gather(*(worker.shutdown() for worker in workers))
    log.info("drained")


def end_with_parent(parent: int) -> None:
    """Ask the kernel for SIGTERM when the pool's supervisor dies, so that no process polls without one."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the kernel was asked
        raise SystemExit(0)


def _secret(token: SecretStr | None) -> str:
    return token.get_secret_value() if token else ""
