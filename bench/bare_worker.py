"""``python -m bench.bare_worker ADDRESS``: what a pool's process is without Sternway, at the same settings."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from temporalio import activity
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bench.bare_steps import ACTIVITIES, HOLD, QUEUE, BareSteps, Wait
from models.settings import Settings
from workers.deployment.joining import build_of, join
from workers.worker import build


@activity.defn(name=HOLD.name)
async def hold(wait: Wait) -> bool:
    while Path(wait.file).exists():  # noqa: ASYNC110, ASYNC240 -- it is another process that removes the file
        await asyncio.sleep(0.01)
    return True


async def main(address: str) -> None:
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    name = build_of(Settings())
    await join(client, name)
    own = build(client, ACTIVITIES, name, activities=[hold])
    async with build(client, QUEUE, name, workflows=[BareSteps], activities=[hold], remote_activities=False), own:
        print("polling", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
