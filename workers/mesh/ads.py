"""The discovery server that Envoys connect to: it serves one set of resources and knows who has confirmed which."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import grpc
from grpc import aio

from models.base import SternwayError
from workers.mesh import wire
from workers.mesh.delta import Conversation, Rejection, Response
from workers.mesh.resource import Kind, Resource, ResourceKey
from workers.observability.logs import logger

_log = logger("sternway.mesh.ads")

_END: Any = aio.EOF  # pyright: ignore -- the stubs do not know what a read gives at the end of a stream

Served = dict[Kind, dict[str, Resource]]


class _Stream:
    """One connected proxy: the conversation, and the wish to be looked at again."""

    def __init__(self, node: str, conversation: Conversation) -> None:
        self.node, self.conversation = node, conversation
        self.wake = asyncio.Event()


class DiscoveryServer:
    """*on_confirmed* is called with what a proxy confirms, *on_rejected* with its node id and what it refuses."""

    def __init__(
        self,
        on_confirmed: Callable[[tuple[Resource, ...]], None] = lambda _resources: None,
        on_rejected: Callable[[str, Rejection], None] = lambda _node, _rejection: None,
        conversation: type[Conversation] = Conversation,
    ) -> None:
        self._conversation = conversation
        self._on_confirmed, self._on_rejected = on_confirmed, on_rejected
        self._streams: dict[str, _Stream] = {}
        self._served: Served = {kind: {} for kind in Kind}
        self._moved = asyncio.Event()
        self._server: aio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; the port, which the kernel chooses for 0."""
        options = (("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1))
        self._server = aio.server(options=options)
        handler: Any = grpc.stream_stream_rpc_method_handler(self._converse, wire.parse, wire.serialized)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(wire.SERVICE, {wire.METHOD: handler}),)
        )
        try:
            bound = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError:
            raise SternwayError(
                f"{host}:{port} is taken: another control plane runs there, or choose another"
            ) from None
        await self._server.start()
        return bound

    async def stop(self) -> None:
        if self._server:
            await self._server.stop(0.2)

    def publish(self, resources: Iterable[Resource]) -> None:
        """Serve exactly these from now on; each proxy is sent what is new to it."""
        served: Served = {kind: {} for kind in Kind}
        for resource in resources:
            served[resource.key.kind][resource.key.name] = resource
        self._served = served
        for stream in self._streams.values():
            stream.wake.set()

    @property
    def connected(self) -> tuple[str, ...]:
        return tuple(self._streams)

    def has(self, node: str, versions: Mapping[ResourceKey, str]) -> bool:
        """Whether *node* is connected and has confirmed these very versions."""
        stream = self._streams.get(node)
        return stream is not None and all(stream.conversation.confirmed(k) == v for k, v in versions.items())

    async def moved(self) -> None:
        """Wait for the next confirmation, refusal or connection."""
        await self._moved.wait()

    def _notify(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    async def _converse(self, _requests: object, context: aio.ServicerContext[Any, Response]) -> None:
        first: Any = await context.read()
        if first is _END:
            return
        stream = _Stream(wire.node_of(first), self._conversation())
        self._streams[stream.node] = stream
        _log.info("proxy connected", proxy=stream.node)
        sending = asyncio.create_task(self._send(stream, context))
        try:
            message = first
            while message is not _END:
                self._take(stream, message)
                message = await context.read()
        except Exception:
            _log.exception("conversation failed", proxy=stream.node)
            raise
        finally:
            if self._streams.get(stream.node) is stream:
                del self._streams[stream.node]
            _log.info("proxy disconnected", proxy=stream.node)
            self._notify()
            sending.cancel()
            ended = (await asyncio.gather(sending, return_exceptions=True))[0]
            if isinstance(ended, Exception) and not isinstance(ended, aio.AioRpcError | aio.UsageError):
                _log.error("sending to a proxy failed", proxy=stream.node, error=repr(ended))

    def _take(self, stream: _Stream, message: Any) -> None:
        request = wire.request(message)
        if request is None:
            return
        answer = stream.conversation.receive(request)
        if isinstance(answer, Rejection):
            _log.error("proxy rejected", proxy=stream.node, resources=_names(answer), error=answer.error)
            self._on_rejected(stream.node, answer)
        elif answer:
            self._on_confirmed(answer)
        stream.wake.set()
        self._notify()

    async def _send(self, stream: _Stream, context: aio.ServicerContext[Any, Response]) -> None:
        while True:
            await stream.wake.wait()
            stream.wake.clear()
            for response in stream.conversation.due(self._served):
                await context.write(response)


def _names(rejection: Rejection) -> list[str]:
    return [f"{key.kind.rpartition('.')[2]} {key.name}" for key in rejection.versions]
