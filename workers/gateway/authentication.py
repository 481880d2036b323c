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

DEPLOYMENTS = "deployments"
GUARDS = "guards"
METRICS = "metrics"
REPORTS = "reports"
"""Names of tokens in ``STERNWAY_ALERT_TOKENS``, beside those of the senders of alerts: who tells of releases, which
applications guard their calls, who reads metrics, which applications report trouble. Each can do nothing else."""

SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")
"""What ``X-Hub-Signature-256`` looks like."""


class Unauthenticated(Exception):
    """Missing or wrong credentials. Says which ones the route takes, and not what is wrong with those that came."""


def authenticate_source(request: Request, settings: Settings, source: str) -> None:
    """Let the sender in by its Bearer token, or by Basic authentication with the token as password."""
    if not _holds(request, settings.alert_tokens.get(source), basic=True):
        raise Unauthenticated(_token_of(source))


async def authenticate_person(request: Request) -> None:
    """Let a person in by the gateway's Bearer token. A dependency of routes."""
    if not _holds(request, (await parts(request)).settings.gateway_token, basic=False):
        raise Unauthenticated(_PEOPLES)


def authenticate_source_or_person(request: Request, settings: Settings, source: str) -> None:
    """Let in whom either would: where people may do what the source does, and did before it had a token of its own."""
    theirs = _holds(request, settings.alert_tokens.get(source), basic=True)
    if not theirs and not _holds(request, settings.gateway_token, basic=False):
        raise Unauthenticated(f"{_token_of(source)}, or {_PEOPLES}")


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


_PEOPLES = "STERNWAY_GATEWAY_TOKEN"


def _token_of(source: str) -> str:
    return f'the token of "{source}" in STERNWAY_ALERT_TOKENS'


def _holds(request: Request, secret: SecretStr | None, *, basic: bool) -> bool:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        offered = credentials.strip().encode()
    elif scheme.lower() == "basic" and basic:
        offered = _password(credentials)
    else:
        offered = b""
    expected = secret.get_secret_value().encode() if secret else b""
    return hmac.compare_digest(offered, expected) and bool(expected)


def _password(credentials: str) -> bytes:
    try:
        return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""
