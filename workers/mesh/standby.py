"""The standby: serves the last-known-good file to an Envoy that starts while its control plane is away.

``python -m workers.mesh.standby FILE XDS_PORT`` prints its port. It speaks the same protocol with the same versions, so
that Envoy goes over to the control plane without a change. It tells nothing to an Envoy that has its configuration
already, because the world may have moved since the file was read. It ends with the Envoy that it was started for, or
when the control plane has been there for a while.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from pathlib import Path

from models.settings import Settings
from workers.mesh import last_good
from workers.mesh.ads import DiscoveryServer
from workers.mesh.delta import ForNewcomers
from workers.observability import logs

_PR_SET_PDEATHSIG = 1
_LOOK = 0.25
_SETTLED = 4
"""Looks in a row at which the control plane answered: Envoy's own health check has seen it as well by then."""


def main(file: Path, xds: int) -> None:
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    logs.configure(Settings(), "mesh-standby")
    if os.getppid() == parent:  # else it died before that
        asyncio.run(_stand_by(file, xds))


async def _stand_by(file: Path, xds: int) -> None:
    server = DiscoveryServer(conversation=ForNewcomers)
    server.publish(last_good.read(file))
    print(await server.start("127.0.0.1", 0), flush=True)
    seen = 0
    while seen < _SETTLED:
        await asyncio.sleep(_LOOK)
        seen = seen + 1 if await _answers(xds) else 0
    await server.stop()


async def _answers(port: int) -> bool:
    try:
        async with asyncio.timeout(_LOOK):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
