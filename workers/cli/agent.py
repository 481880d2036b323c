"""``sternway agent``: the local platform agent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def agent(
    data: Annotated[Path, typer.Option(help="Folder of its ledger and of the replicas' logs; made if missing.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one and prints it.")] = 8450,
    grace: Annotated[float, typer.Option(help="Seconds between a drain that the meshes know of and SIGTERM.")] = 1.0,
) -> None:
    """Run replicas of releases as processes of this machine, as many as are wanted.

    They outlive the agent: started again on the same folder, it takes them over. STERNWAY_OPERATE_TOKEN is the token
    that changes are made with.

    Example: [bold]sternway agent --data .sternway/agent --port 8450[/bold]
    """
    from models.settings import Settings
    from workers.local.agent.run import run
    from workers.observability import logs

    settings = Settings()
    logs.configure(settings, "agent")
    run(data, port, grace, settings)
