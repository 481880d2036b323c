"""Who may come in. Closed by default, and compared in constant time over the bytes that were sent."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

from fastapi import Request
from pydantic import SecretStr

from models.settings import Settings
from workers.gateway.parts import parts

SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")
"""What ``X-Hub-Signature-256`` looks like."""


class Unauthenticated(Exception):
    """Missing or wrong credentials. Says which ones the route takes, and not what is wrong with those that came."""


def authenticate_source(request: Request, settings: Settings, source: str) -> None:
    """Let the sender in by its Bearer token, or by Basic authentication with the token as password."""
    needed = f'the token of "{source}" in STERNWAY_ALERT_TOKENS'
    _authenticate(request, settings.alert_tokens.get(source), needed, basic=True)


async def authenticate_person(request: Request) -> None:
    """Let a person or an application in by the gateway's Bearer token. A dependency of routes."""
    _authenticate(request, (await parts(request)).settings.gateway_token, "STERNWAY_GATEWAY_TOKEN", basic=False)


def expect_github(signature: str, settings: Settings) -> None:
    """Refuse, before its body is read, a webhook that no body could make authentic."""
    if not settings.github_secrets or not SIGNATURE.fullmatch(signature):
        raise Unauthenticated(_GITHUBS)


def authenticate_github(body: bytes, signature: str, settings: Settings) -> None:
    """Let GitHub in by its signature over the *body* as it was sent: ``X-Hub-Signature-256``, HMAC with SHA-256.

    Any of the secrets will do, so that one is replaced without a gap.
    https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    """
    secrets = [secret.get_secret_value().encode() for secret in settings.github_secrets]
    signed = [f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}" for secret in secrets]
    if not any(hmac.compare_digest(signature.encode(), expected.encode()) for expected in signed):
        raise Unauthenticated(_GITHUBS)


_GITHUBS = "X-Hub-Signature-256 over the body, with a secret of STERNWAY_GITHUB_SECRETS"


def _authenticate(request: Request, secret: SecretStr | None, needed: str, *, basic: bool) -> None:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        offered = credentials.strip().encode()
    elif scheme.lower() == "basic" and basic:
        offered = _password(credentials)
    else:
        offered = b""
    expected = secret.get_secret_value().encode() if secret else b""
    if not hmac.compare_digest(offered, expected) or not expected:
        raise Unauthenticated(needed)


def _password(credentials: str) -> bytes:
    try:
        return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""
