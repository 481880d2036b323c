"""One process of a region's pool: workflows on the neutral queue, activities on the region's own."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
from functools import partial

from pydantic import SecretStr
from temporalio.client import Client

from activities.analytics.store.catalogs import recall, remember
from activities.analytics.store.engine import Store, open_store
from activities.analytics.store.schema import require_current
from activities.catalogs import Catalogs
from activities.directory import Directory
from models.base import SternwayError
from models.queues import WORKFLOWS as NEUTRAL
from models.queues import regional
from models.settings import Settings
from workers.catalog import load_catalog
from workers.deployment.joining import build_of, join
from workers.observability import metrics, tracing
from workers.observability.logs import logger
from workers.observability.phase_metrics import PhaseMetrics
from workers.observability.tracing import Tracing
from workers.registry import WORKFLOWS, local_activities, regional_activities
from workers.temporal import connect_when_there
from workers.worker import build

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when its parent dies."""


async def serve(region: str, settings: Settings) -> None:
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
    client = await _connected(settings, traces, name, stop)
    if client is not None:
        await _work(client, region, name, directory, store, settings, stop)
    traces.close()
    store.close()


async def _connected(settings: Settings, traces: Tracing, build: str, stop: asyncio.Event) -> Client | None:
    """The client, once Temporal has answered and knows this build; none if we were told to stop before."""

    async def join_when_there() -> Client:
        client = await connect_when_there(settings, traces)
        await join(client, build)
        return client

    joining, stopping = asyncio.create_task(join_when_there()), asyncio.create_task(stop.wait())
    await asyncio.wait({joining, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if joining.done():
        return await joining
    joining.cancel()
    return None


async def _work(
    client: Client,
    region: str,
    name: str,
    directory: Directory,
    store: Store,
    settings: Settings,
    stop: asyncio.Event,
) -> None:
    log = logger(__name__)
    local = local_activities(directory, client)
    neutral = build(client, NEUTRAL, name, workflows=WORKFLOWS, activities=local, remote_activities=False)
    regionals = regional_activities(directory, store, client)
    own = build(client, regional(region), name, activities=regionals, interceptors=[PhaseMetrics(store)])
    if settings.metrics_port:
        log.info("metrics are served", port=metrics.serve(settings.metrics_port))
    async with neutral, own:
        log.info("polling", region=region, build=name)
        await stop.wait()
        log.info("draining")
        # Both at once: whoever has something in hand still must not take on anything new.
        await asyncio.gather(own.shutdown(), neutral.shutdown())
    log.info("drained")


def end_with_parent(parent: int) -> None:
    """Ask the kernel for SIGTERM when the pool's supervisor dies, so that no process polls without one."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the kernel was asked
        raise SystemExit(0)


def _secret(token: SecretStr | None) -> str:
    return token.get_secret_value() if token else ""
