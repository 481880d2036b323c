"""For httpx: a guard for each host that is called, deadlines sent along, and retries within a budget."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import httpx

from sternway_guard import deadlines
from sternway_guard.errors import Rejected, TargetFailed
from sternway_guard.registry import Registry
from sternway_guard.settings import check_count

_log = logging.getLogger("sternway_guard")

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""RFC 9110, 9.2.2."""

Outcome = httpx.Response | httpx.TransportError

OURS = (httpx.PoolTimeout, httpx.LocalProtocolError, httpx.UnsupportedProtocol)
"""Errors before anything was sent: a pool that is full of calls to others, and requests that cannot be made."""


def failed(outcome: Outcome) -> bool:
    """The default: a server's own failures, and what has no answer. 501 is an answer, and no failure."""
    if isinstance(outcome, httpx.Response):
        return outcome.status_code >= 500 and outcome.status_code != 501
    return not isinstance(outcome, OURS)


def host_of(request: httpx.Request) -> str:
    """The default target: host and port."""
    return request.url.netloc.decode("ascii")


class _Failed(TargetFailed):
    """Says so to the guard; the caller gets what it would have had without one."""


class _TimedOut(_Failed, TimeoutError):
    """And the limit takes it for overload."""


class _Exchange:
    """One request and the attempts at it, as far as they are the same with tasks and without."""

    _outcome: Outcome
    """Of the last attempt."""

    def __init__(self, transport: GuardTransport | AsyncGuardTransport, request: httpx.Request) -> None:
        self._fails, self._most, self._request = transport.fails, transport.attempts, request
        self.attempts = 0
        """That were made."""
        self.guard = transport.registry.guard(transport.target(request))
        self.guard.retries.called()

    def prepared(self) -> httpx.Request:
        left = deadlines.left()
        if left is not None:
            self._request.headers[deadlines.HEADER] = deadlines.to_header(left)
        return self._request

    def ended(self, outcome: Outcome) -> None:
        """An attempt has. Raises, for the guard, where the target has failed."""
        self.attempts += 1
        self._outcome = outcome
        if self._failed(outcome):
            raise _TimedOut if isinstance(outcome, httpx.TimeoutException) else _Failed

    def pause(self) -> float | None:
        """Seconds before the next attempt; None: there is none. A body that was a stream is gone."""
        if self._request.method not in IDEMPOTENT or not isinstance(self._request.stream, httpx.ByteStream):
            return None
        return self.guard.retries.pause(self.attempts, self._most)

    @property
    def answer(self) -> httpx.Response | None:
        """Of the last attempt, if it has one."""
        return self._outcome if self.attempts and isinstance(self._outcome, httpx.Response) else None

    def result(self) -> httpx.Response:
        """What came of the last attempt; raised, if it was an error."""
        if isinstance(self._outcome, httpx.TransportError):
            raise self._outcome
        return self._outcome

    def _failed(self, outcome: Outcome) -> bool:
        try:
            return bool(self._fails(outcome))
        except Exception:  # noqa: BLE001 -- the caller has an outcome, whatever can be said of it
            _log.exception("whether %r is a failure could not be said; by default it is decided", outcome)
            return failed(outcome)


class GuardTransport(httpx.BaseTransport):
    """Around *transport*. *fails* says of an answer or error whether the target has failed; the guard takes its word.

    *attempts*: how often an idempotent request is made at most, within the retry budget. A call ends with the headers
    of its answer: how fast the rest of it comes, its reader decides as well.
    """

    def __init__(
        self,
        transport: httpx.BaseTransport,
        registry: Registry,
        *,
        target: Callable[[httpx.Request], str] = host_of,
        fails: Callable[[Outcome], bool] = failed,
        attempts: int = 1,
    ) -> None:
        check_count("attempts", attempts, 1, 10)
        self._transport = transport
        self.registry, self.target, self.fails, self.attempts = registry, target, fails, attempts

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Raises :class:`~sternway_guard.errors.Rejected` where the request is not made."""
        exchange = _Exchange(self, request)
        while True:
            try:
                with exchange.guard.call():
                    if exchange.answer is not None:  # until there is another attempt, it is what there is
                        exchange.answer.close()
                    exchange.ended(self._outcome(exchange.prepared()))
                pause = None
            except Rejected:
                if not exchange.attempts:
                    raise
                pause = None
            except _Failed:
                pause = exchange.pause()
            if pause is None:
                return exchange.result()
            time.sleep(pause)

    def _outcome(self, request: httpx.Request) -> Outcome:
        try:
            return self._transport.handle_request(request)
        except httpx.TransportError as error:
            return error

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
        fails: Callable[[Outcome], bool] = failed,
        attempts: int = 1,
    ) -> None:
        check_count("attempts", attempts, 1, 10)
        self._transport = transport
        self.registry, self.target, self.fails, self.attempts = registry, target, fails, attempts

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises :class:`~sternway_guard.errors.Rejected` where the request is not made."""
        exchange = _Exchange(self, request)
        while True:
            try:
                async with exchange.guard.call():
                    if exchange.answer is not None:  # until there is another attempt, it is what there is
                        await exchange.answer.aclose()
                    exchange.ended(await self._outcome(exchange.prepared()))
                pause = None
            except Rejected:
                if not exchange.attempts:
                    raise
                pause = None
            except _Failed:
                pause = exchange.pause()
            if pause is None:
                return exchange.result()
            try:
                await asyncio.sleep(pause)
            except asyncio.CancelledError:
                if exchange.answer is not None:  # nobody else would give its connection back
                    await exchange.answer.aclose()
                raise

    async def _outcome(self, request: httpx.Request) -> Outcome:
        try:
            return await self._transport.handle_async_request(request)
        except httpx.TransportError as error:
            return error

    async def aclose(self) -> None:
        await self._transport.aclose()
