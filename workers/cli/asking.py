"""Asking the gateway, for the commands that need one."""

from __future__ import annotations

import json
from typing import Any

from models.base import SternwayError

NO_ROUTE = ("Not Found", "Method Not Allowed")
"""What our servers say of a path that they do not have."""


def ask(method: str, path: str, body: object = None) -> Any:
    """The gateway's answer. Raises :class:`~models.base.SternwayError` with the gateway's own words, or the cure."""
    import httpx

    from models.settings import Settings

    settings = Settings()
    if settings.gateway_token is None:
        raise SternwayError("no token for the gateway; set STERNWAY_GATEWAY_TOKEN to the one that it was started with")
    headers = {"Authorization": f"Bearer {settings.gateway_token.get_secret_value()}"}
    url = settings.gateway_url.rstrip("/")
    try:
        answer = httpx.request(method, url + path, headers=headers, json=body, timeout=15)
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise SternwayError(
            f"STERNWAY_GATEWAY_URL is {url}, which is no gateway's URL; write http://HOST:PORT"
        ) from error
    except httpx.HTTPError as error:
        raise SternwayError(
            f"the gateway does not answer at {url}: {error}; start it with `sternway gateway`, "
            "or set STERNWAY_GATEWAY_URL to where it is"
        ) from error
    if answer.status_code == 401:
        raise SternwayError("the gateway does not know this token; STERNWAY_GATEWAY_TOKEN must be the gateway's own")
    detail = _detail(answer.text)
    if detail in NO_ROUTE:
        raise SternwayError(
            f"what answers at {url} is no gateway, or an older one, for it has no {path}; "
            "set STERNWAY_GATEWAY_URL to the gateway's URL"
        )
    if not answer.is_success:
        raise SternwayError(detail or f"the gateway answered {answer.status_code}: {answer.text[:200]}")
    try:
        return answer.json()
    except ValueError as error:
        raise SternwayError(
            f"what answers at {url} is no gateway; set STERNWAY_GATEWAY_URL to the gateway's URL"
        ) from error


def _detail(text: str) -> str | None:
    """What the gateway has against it, which of a body is a list of problems; none where it does not say."""
    try:
        detail = json.loads(text)["detail"]
        if isinstance(detail, str):
            return detail
        return "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in detail)
    except (ValueError, KeyError, TypeError):
        return None
