"""``sternway gateway``: the way in for alerts, reports and people's decisions."""

from __future__ import annotations


def gateway() -> None:
    """Take in alerts, start incidents, and let people follow and steer them.

    Settings come from the environment: STERNWAY_CATALOG, STERNWAY_STORE_URL, STERNWAY_TEMPORAL_ADDRESS,
    STERNWAY_GATEWAY_HOST and _PORT; STERNWAY_ALERT_TOKENS as JSON with a secret for each program,
    STERNWAY_GATEWAY_TOKEN for people, STERNWAY_GITHUB_SECRETS as JSON for GitHub's webhooks, STERNWAY_PROTECT_TOKEN for
    the first protective action. What has no token is closed.

    Example: [bold]STERNWAY_ALERT_TOKENS='{"alertmanager": "…"}' sternway gateway[/bold]
    """
    import uvloop

    from models.settings import Settings
    from workers.gateway.registered import register
    from workers.gateway.server import serve

    uvloop.run(serve(Settings(), register))
