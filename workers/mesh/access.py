"""Who may do what: the operate token changes routing and protects, the protect token protects and nothing else."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from fastapi import HTTPException, Request
from pydantic import SecretStr

from models.settings import Settings


def operator(settings: Settings) -> Callable[[Request], None]:
    """A dependency that lets in the operate token only."""

    def admit(request: Request) -> None:
        if _offers(request, settings.operate_token):
            return
        if _offers(request, settings.protect_token):
            raise HTTPException(403, "the protect token takes and releases leases; changes need the operate token")
        raise _refusal(request, settings.operate_token)

    return admit


def protector(settings: Settings) -> Callable[[Request], None]:
    """A dependency that lets in either token."""

    def admit(request: Request) -> None:
        tokens = (settings.protect_token, settings.operate_token)
        if not any(_offers(request, token) for token in tokens):
            raise _refusal(request, settings.protect_token or settings.operate_token)

    return admit


def _offers(request: Request, token: SecretStr | None) -> bool:
    if token is None or not token.get_secret_value():
        return False
    scheme, _, offered = request.headers.get("authorization", "").partition(" ")
    same = hmac.compare_digest(offered.strip().encode(), token.get_secret_value().encode())
    return same and scheme.lower() == "bearer"


def _refusal(request: Request, configured: SecretStr | None) -> HTTPException:
    if configured is None:
        return HTTPException(403, "no token for this is configured, so nobody may do it; set STERNWAY_OPERATE_TOKEN")
    if "authorization" in request.headers:
        return HTTPException(403, "the token is not one of this control plane's")
    return HTTPException(401, "a bearer token is needed", headers={"WWW-Authenticate": "Bearer"})
