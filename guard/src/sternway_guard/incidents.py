"""Starting an incident from inside an application, with nothing but the standard library.

A report of trouble must not become trouble: :meth:`IncidentClient.try_start` never raises into the application, and
no wait on the network is longer than the client's timeout.
"""

from __future__ import annotations

import http.client
import json
import logging
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Required, TypedDict, Unpack, cast
from urllib.parse import quote, urlsplit

Level = Literal["advise", "protect", "full"]
"""How much Sternway may do by itself: report, protect as well, or execute the plan as well."""

Coordination = Literal["sequential", "parallel", "priority", "adaptive"]
"""The order in which the plan's ready steps run."""

Severity = Literal["critical", "warning", "info"]

_LARGEST_ANSWER = 4 << 20
_log = logging.getLogger("sternway_guard")


class Impact(TypedDict):
    """What the trouble costs while it lasts: US dollars a minute, and customers affected."""

    revenue_per_minute: float
    customers: int


class Modules(TypedDict, total=False):
    """A switch for each module; a module that is not named is on."""

    predictor: bool
    breaker: bool
    propagation: bool
    rollback: bool
    mesh: bool
    analytics: bool


class Report(TypedDict, total=False):
    """What an application can say; what it leaves out, the catalog decides."""

    service: Required[str]
    reason: Required[str]
    """What is wrong, for a person to read: one sentence."""
    region: str
    """May be left out where the service lives in exactly one."""
    severity: Severity
    level: Level
    """At most what the service's policy allows; more is reduced to that, and :attr:`StartedIncident.note` says so."""
    coordination: Coordination
    impact: Impact
    modules: Modules


class SternwayUnavailable(Exception):
    """No answer, so it is unknown whether the gateway has the report. Calling again with the same key is safe."""


class SternwayRefused(Exception):
    """The gateway answered no, and would again. *status* is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class StartedIncident:
    """A report that the gateway has taken, durably."""

    incident: str | None
    """ULID of the incident that has the report; ``None`` while it is pending, which :attr:`state` says."""
    workflow: str
    """Its Temporal workflow id."""
    links: Mapping[str, str]
    """Where people look at it."""
    state: str
    """``opened``, ``joined`` an incident that ran already, ``repeated``, or ``pending``."""
    note: str = ""
    """What was not done as asked, and why."""


class IncidentClient:
    """Talks to one gateway. It holds no connection, and threads may share it.

    *url* is the gateway's, *token* the one that it calls ``reports``, *timeout* in seconds for each wait on the
    network.
    """

    def __init__(self, url: str, token: str, timeout: float = 5.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"the gateway's URL must look like https://sternway.example.com, not {url!r}")
        if not token or not token.isascii() or not token.isprintable():
            raise ValueError(
                "the token must be printable ASCII; it is the one called reports in the gateway's STERNWAY_ALERT_TOKENS"
            )
        self._url = url.rstrip("/")
        self._token = token
        self._timeout = timeout
        self._opener = urllib.request.build_opener(_NoRedirect)

    def __repr__(self) -> str:
        return f"IncidentClient({self._url!r})"

    def start(self, *, key: str | None = None, **report: Unpack[Report]) -> StartedIncident:
        """Report trouble: an incident is started, or the one that runs already for the service has the report.

        The same *key* always gets the same incident, so that calling again after a time-out is safe; without one each
        call is a report of its own. Raises :class:`SternwayUnavailable` where the gateway does not answer, and
        :class:`SternwayRefused` where it answers no.
        """
        answer = self._call("POST", "/v1/incidents", report, {"Idempotency-Key": key or uuid.uuid4().hex})
        incident: object = answer.get("incident")
        links: object = answer.get("links") or {}
        if not isinstance(answer.get("workflow"), str) or not isinstance(links, dict):
            raise self._stranger()
        return StartedIncident(
            incident=None if incident is None else str(incident),
            workflow=answer["workflow"],
            links={str(name): str(link) for name, link in cast("dict[object, object]", links).items()},
            state=str(answer.get("state", "")),
            note=str(answer.get("note", "")),
        )

    def try_start(self, *, key: str | None = None, **report: Unpack[Report]) -> StartedIncident | None:
        """As :meth:`start`, but a report that could not be made is logged, and ``None`` comes back."""
        try:
            return self.start(key=key, **report)
        except Exception as error:  # noqa: BLE001 -- whatever it is, it must not reach the application
            _log.error("no incident was started for %s: %s", report.get("service"), error)
            return None

    def get(self, id: str) -> dict[str, Any]:
        """The incident with this ULID as the gateway tells it. Raises as :meth:`start` does."""
        return self._call("GET", f"/v1/incidents/{quote(id, safe='')}", None, {})

    def _call(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json", **headers}
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(f"{self._url}{path}", data, headers, method=method)  # noqa: S310 -- see __init__
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                answer = json.loads(response.read(_LARGEST_ANSWER))
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(self._url, error) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise SternwayUnavailable(f"{self._url} gives no answer: {reason}") from error
        if not isinstance(answer, dict):
            raise self._stranger()
        return cast("dict[str, Any]", answer)

    def _stranger(self) -> SternwayUnavailable:
        return SternwayUnavailable(f"{self._url} does not answer like a Sternway gateway; check the URL")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to wherever it points."""

    def redirect_request(self, *_arguments: object, **_named: object) -> None:
        return None


_BUSY = (408, 425, 429)
"""Answers of the 4xx that are no refusal: the same request may do later."""


def _refusal(url: str, error: urllib.error.HTTPError) -> SternwayRefused | SternwayUnavailable:
    try:
        said: Any = json.loads(error.read(_LARGEST_ANSWER))
        detail: Any = cast("dict[str, Any]", said).get("detail", "") if isinstance(said, dict) else said
    except (OSError, http.client.HTTPException, ValueError):
        detail = error.reason
    text = detail if isinstance(detail, str) else json.dumps(detail)
    if error.code >= 500 or error.code in _BUSY:
        return SternwayUnavailable(f"{url} cannot take it now: {error.code}, {text}")
    cure = "; check the token" if error.code in (401, 403) else ""
    return SternwayRefused(error.code, f"{url} refuses: {error.code}, {text}{cure}")
