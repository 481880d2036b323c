"""A real Envoy in front of a tiny real backend, named as the mesh's control plane names things."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.waiting import until

BINARY = Path(sys.executable).parent / "envoy"


@dataclass
class Backend:
    """Answers with *status* after *delay* seconds, and ``/hold`` when *release* is set, which ends all delays."""

    status: int = 200
    delay: float = 0.0
    port: int = 0
    served: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
                if path == b"/hold":
                    await self.release.wait()
                if self.delay:
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(self.release.wait(), self.delay)
                self.served += 1
                writer.write(f"HTTP/1.1 {self.status} status\r\ncontent-length: 2\r\n\r\nok".encode())
                await writer.drain()
        writer.close()


@dataclass
class RealEnvoy:
    """*services*: name to its releases; each service has a listener, and its first release takes the requests."""

    directory: Path
    backend: Backend
    services: dict[str, tuple[str, ...]]
    retries: int = 0
    max_requests: int = 1000
    hosts: bool = True
    """Whether the releases have any."""
    admin: str = ""
    listeners: dict[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start, or start again on the same admin port."""
        port = int(self.admin.rsplit(":", 1)[1]) if self.admin else 0
        bootstrap = self.directory / "envoy.json"
        address = self.directory / "admin-address"
        address.unlink(missing_ok=True)
        bootstrap.write_text(json.dumps(self._bootstrap(port)))
        self.process = await asyncio.create_subprocess_exec(
            *(str(BINARY), "-c", str(bootstrap), "--admin-address-path", str(address)),
            *("--concurrency", "1", "-l", "error", "--disable-hot-restart"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=(self.directory / "envoy.log").open("ab"),
        )
        await until(lambda: address.exists() and address.read_text(), 20, "Envoy tells its admin address")
        self.admin = f"http://{address.read_text().strip()}"
        async with httpx.AsyncClient(base_url=self.admin) as client:

            async def listening() -> bool:
                with contextlib.suppress(httpx.HTTPError):
                    return len(await self._listeners(client)) == len(self.services)
                return False

            await until(listening, 20, "Envoy listens")
            self.listeners = await self._listeners(client)

    async def stop(self) -> None:
        if self.process and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def _listeners(self, client: httpx.AsyncClient) -> dict[str, str]:
        statuses = (await client.get("/listeners?format=json")).json().get("listener_statuses", [])
        ports = {s["name"]: s["local_address"]["socket_address"]["port_value"] for s in statuses}
        return {name: f"http://127.0.0.1:{port}" for name, port in ports.items() if port}

    def _bootstrap(self, admin_port: int) -> object:
        return {
            "node": {"id": "test", "cluster": "test"},
            "stats_flush_on_admin": True,
            "admin": {"address": _address(admin_port)},
            "static_resources": {
                "listeners": [self._listener(service, releases[0]) for service, releases in self.services.items()],
                "clusters": [self._cluster(f"{s}|{r}") for s, releases in self.services.items() for r in releases],
            },
        }

    def _listener(self, service: str, release: str) -> object:
        route = {"cluster": f"{service}|{release}", "retry_policy": {"retry_on": "5xx", "num_retries": self.retries}}
        types = "type.googleapis.com/envoy.extensions.filters"
        manager = {
            "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": service,
            "route_config": {
                "virtual_hosts": [
                    {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": route}]}
                ]
            },
            "http_filters": [
                {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{types}.http.router.v3.Router"}}
            ],
        }
        chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        return {"name": service, "address": _address(0), "filter_chains": [chain]}

    def _cluster(self, name: str) -> object:
        endpoint = {"endpoint": {"address": _address(self.backend.port)}}
        return {
            "name": name,
            "type": "STATIC",
            "circuit_breakers": {"thresholds": [{"max_requests": self.max_requests, "max_retries": 1000}]},
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint] * self.hosts}]},
        }


def _address(port: int) -> object:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


@contextlib.asynccontextmanager
async def backend() -> AsyncIterator[Backend]:
    here = Backend()
    server = await asyncio.start_server(here.answer, "127.0.0.1", 0)
    here.port = server.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        here.release.set()
        server.close()


@contextlib.asynccontextmanager
async def envoy(
    directory: Path,
    backend: Backend,
    services: dict[str, tuple[str, ...]],
    retries: int = 0,
    max_requests: int = 1000,
    hosts: bool = True,
) -> AsyncIterator[RealEnvoy]:
    proxy = RealEnvoy(directory, backend, services, retries, max_requests, hosts)
    try:
        await proxy.start()
        yield proxy
    finally:
        await proxy.stop()


async def send(url: str, number: int) -> list[int]:
    """*number* requests one after the other; their status codes."""
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        return [(await client.get("/")).status_code for _ in range(number)]
