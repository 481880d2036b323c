"""``sternway pool``: the workers of one region."""

from __future__ import annotations

from typing import Annotated

import typer


def pool(
    region: Annotated[str, typer.Option(help="The region whose activities it runs.")],
    processes: Annotated[int, typer.Option(min=1, help="Two, so that one of them always polls.")] = 2,
) -> None:
    """Run incidents, and the activities of one region.

    Settings come from the environment: STERNWAY_CATALOG, STERNWAY_STORE_URL, STERNWAY_TEMPORAL_ADDRESS,
    STERNWAY_OPERATE_TOKEN and STERNWAY_PROTECT_TOKEN.

    Example: [bold]sternway pool --region eu[/bold]
    """
    from models.base import SternwayError
    from models.settings import Settings
    from workers.catalog import load_catalog
    from workers.observability import logs
    from workers.pool.supervisor import supervise

    settings = Settings()
    catalog = load_catalog(settings.catalog).catalog
    if region not in catalog.regions:
        raise SternwayError(f"the catalog has no region {region!r}; it has {', '.join(catalog.regions)}")
    logs.configure(settings, f"pool-{region}")
    raise typer.Exit(supervise(region, processes))
