"""For httpx: a guard for each host that is called, deadlines sent along, and retries within a budget."""

from __future__ import annotations

import logging
from collections.abc import Callable

import httpx

from sternway_guard import deadlines
from sternway_guard.errors import Rejected
from sternway_guard.guard import Guard
from sternway_guard.registry import Registry
from sternway_guard.settings import check_count

_log = logging.getLogger("sternway_guard")

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""RFC 9110, 9.2.2."""


class FailedStatus(Exception):
    """Within a guard: the response says that the target failed. The caller gets the response."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(f"{response.status_code}")
        self.response = response


def failed(response: httpx.Response) -> bool:
    """The default: a server's own failures. 501 is an answer, and no failure."""
    return response.status_code >= 500 and response.status_code != 501


def host_of(request: httpx.Request) -> str:
    """The default target: host and port."""
    return request.url.netloc.decode("ascii")


class _Ways:
    """What the transports share: whom a request goes to, what is sent along, and whether it may go once more."""

    def __init__(
        self,
        registry: Registry,
        *,
        target: Callable[[httpx.Request], str] = host_of,
        fails: Callable[[httpx.Response], bool] = failed,
        attempts: int = 1,
    ) -> None:
        check_count("attempts", attempts, 1, 10)
        self._registry, self._target, self._fails, self._attempts = registry, target, fails, attempts

    def guard_of(self, request: httpx.Request) -> Guard:
        return self._registry.guard(self._target(request))

    def prepare(self, request: httpx.Request) -> None:
        left = deadlines.left()
        if left is not None:
            request.headers[deadlines.HEADER] = deadlines.to_header(left)

    def judge(self, response: httpx.Response) -> httpx.Response:
        """Raises :class:`FailedStatus`, which the guard counts."""
        try:
            fails = bool(self._fails(response))
        except Exception:  # noqa: BLE001 -- the caller has an answer, whatever can be said of it
            _log.exception("whether %s is a failure could not be said; by default it is decided", response)
            fails = failed(response)
        if fails:
            raise FailedStatus(response)
        return response

    def again(self, request: httpx.Request, guard: Guard, attempt: int) -> bool:
        """Whether to make it once more. A body that was a stream is gone."""
        left = deadlines.left()
        in_time = left is None or left > 0
        same = request.method in IDEMPOTENT and isinstance(request.stream, httpx.ByteStream)
        return attempt < self._attempts and same and in_time and guard.retries.spend()


def _outcome(failure: FailedStatus | httpx.TransportError) -> httpx.Response:
    """What the caller gets of the last attempt that was made."""
    if isinstance(failure, FailedStatus):
        return failure.response
    raise failure


class GuardTransport(httpx.BaseTransport):
    """Around *transport*. *attempts*: how often an idempotent request is made at most, within the retry budget."""

    def __init__(
        self,
        transport: httpx.BaseTransport,
        registry: Registry,
        *,
        target: Callable[[httpx.Request], str] = host_of,
        fails: Callable[[httpx.Response], bool] = failed,
        attempts: int = 1,
    ) -> None:
        self._transport = transport
        self._ways = _Ways(registry, target=target, fails=fails, attempts=attempts)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Raises :class:`~sternway_guard.errors.Rejected` where the request is not made."""
        guard, attempt = self._ways.guard_of(request), 1
        guard.retries.called()
        before: FailedStatus | httpx.TransportError | None = None
        while True:
            self._ways.prepare(request)
            try:
                with guard.call():
                    answer = self._transport.handle_request(request)
                    return self._ways.judge(answer)
            except Rejected:
                if before is None:
                    raise
                return _outcome(before)
            except (FailedStatus, httpx.TransportError) as failure:
                if isinstance(before, FailedStatus):
                    before.response.close()
                before = failure
            if not self._ways.again(request, guard, attempt):
                return _outcome(before)
            attempt += 1

    def close(self) -> None:
        self._transport.close()


class AsyncGuardTransport(httpx.AsyncBaseTransport):
    """The same for tasks."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        registry: Registry,
        *,
        target: Callable[[httpx.Request], str] = host_of,
        fails: Callable[[httpx.Response], bool] = failed,
        attempts: int = 1,
    ) -> None:
        self._transport = transport
        self._ways = _Ways(registry, target=target, fails=fails, attempts=attempts)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises :class:`~sternway_guard.errors.Rejected` where the request is not made."""
        guard, attempt = self._ways.guard_of(request), 1
        guard.retries.called()
        before: FailedStatus | httpx.TransportError | None = None
        while True:
            self._ways.prepare(request)
            try:
                async with guard.call():
                    answer = await self._transport.handle_async_request(request)
                    return self._ways.judge(answer)
            except Rejected:
                if before is None:
                    raise
                return _outcome(before)
            except (FailedStatus, httpx.TransportError) as failure:
                if isinstance(before, FailedStatus):
                    await before.response.aclose()
                before = failure
            if not self._ways.again(request, guard, attempt):
                return _outcome(before)
            attempt += 1

    async def aclose(self) -> None:
        await self._transport.aclose()
