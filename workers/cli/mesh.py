"""``sternway mesh``, ``sternway envoy`` and ``sternway mesh-bootstrap``: the embedded mesh."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from workers.mesh.bootstrap import Proxy

_Region = Annotated[str, typer.Option(help="Name of the region in the catalog.")]
_Data = Annotated[Path, typer.Option(help="Folder of the control plane's durable state; made if missing.")]
_Xds = Annotated[int, typer.Option(help="Port on 127.0.0.1 that Envoy gets its configuration from.")]
_Admin = Annotated[int, typer.Option(help="Port on 127.0.0.1 of Envoy's own admin interface.")]
_Node = Annotated[str, typer.Option(help="The Envoy's name, one of the catalog's `proxies`.")]
_Catalog = Annotated[Path | None, typer.Option(help="The catalog file; default: STERNWAY_CATALOG.")]


def mesh(
    region: _Region,
    data: _Data,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1 of the admin interface; 0 takes a free one.")] = 8460,
    xds_port: _Xds = 8461,
    catalog: _Catalog = None,
) -> None:
    """Run the mesh control plane of a region.

    Its state survives any kill. STERNWAY_OPERATE_TOKEN may change routing and protect, STERNWAY_PROTECT_TOKEN may only
    protect; without a token nobody may.

    Example: [bold]sternway mesh --region eu --data .sternway/mesh-eu[/bold]
    """
    import asyncio

    from models.base import SternwayError
    from models.settings import Settings
    from workers.catalog import load_catalog
    from workers.mesh.process import Address, serve
    from workers.observability import logs

    settings = Settings()
    logs.configure(settings, f"mesh-{region}")
    loaded = load_catalog(catalog or settings.catalog)
    if region not in loaded.catalog.regions:
        raise SternwayError(f"the catalog has no region {region!r}; it has {', '.join(sorted(loaded.catalog.regions))}")
    asyncio.run(serve(loaded.catalog, region, data, Address("127.0.0.1", port, xds_port), settings))


def envoy(
    region: _Region,
    node: _Node,
    data: _Data,
    admin_port: _Admin = 9901,
    xds_port: _Xds = 8461,
    catalog: _Catalog = None,
) -> None:
    """Become an Envoy of a region, which starts on the last-known-good while its control plane is away.

    Example: [bold]sternway envoy --region eu --node envoy-eu --data .sternway/mesh-eu[/bold]
    """
    from workers.mesh.envoy import become

    become(_proxy(region, node, admin_port, xds_port, catalog), data)


def mesh_bootstrap(
    region: _Region,
    node: _Node,
    admin_port: _Admin = 9901,
    xds_port: _Xds = 8461,
    catalog: _Catalog = None,
) -> None:
    """Print the bootstrap configuration of an Envoy, as JSON, for Envoys that something else starts.

    Example: [bold]sternway mesh-bootstrap --region eu --node envoy-eu > envoy.json[/bold]
    """
    import json

    from workers.mesh.bootstrap import bootstrap

    print(json.dumps(bootstrap(_proxy(region, node, admin_port, xds_port, catalog)), indent=1))


def _proxy(region: str, node: str, admin: int, xds: int, catalog: Path | None) -> Proxy:

    from models.settings import Settings
    from workers.catalog import load_catalog
    from workers.mesh.bootstrap import Proxy, thresholds

    loaded = load_catalog(catalog or Settings().catalog)
    return Proxy(region=region, node=node, xds=xds, admin=admin, thresholds=thresholds(loaded.catalog))
