"""Who may change what: writing needs the operate token, reading on loopback needs none."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from fastapi import HTTPException, Request

from models.settings import Settings


def operator(settings: Settings) -> Callable[[Request], None]:
    """A dependency that lets in whoever has the operate token. 401: no token of ours; 403: one that may not do this."""
    operate = settings.operate_token.get_secret_value() if settings.operate_token else ""
    protect = settings.protect_token.get_secret_value() if settings.protect_token else ""

    def check(request: Request) -> None:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        offered = credentials.strip() if scheme.lower() == "bearer" else ""
        if not operate:
            raise HTTPException(403, "this agent has no operate token, so nothing can be changed through it")
        if _same(offered, operate):
            return
        if protect and _same(offered, protect):
            raise HTTPException(403, "the protect token takes and releases leases and may do nothing else")
        raise HTTPException(401, "send the operate token as 'Authorization: Bearer …'", {"www-authenticate": "Bearer"})

    return check


def _same(offered: str, expected: str) -> bool:
    return hmac.compare_digest(offered.encode(), expected.encode())
