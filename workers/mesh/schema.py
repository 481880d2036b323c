"""Envoy's messages, from a descriptor pool of our own.

The generated packages of the Envoy API overwrite files of other packages and register global names that clash with
Temporal's and OpenTelemetry's. Here the descriptors are read from one file into a private pool, and messages are
written as JSON: ``{"name": "orders", ...}``.
"""

from __future__ import annotations

import lzma
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from models.base import SternwayError

_FILE = Path(__file__).parent / "descriptors" / "envoy.binpb.xz"


class Unencodable(SternwayError):
    """A message that does not fit Envoy's API: our rendering is wrong, and nothing was sent."""


@cache
def pool() -> descriptor_pool.DescriptorPool:
    """The private pool, read once."""
    files = descriptor_pb2.FileDescriptorSet.FromString(lzma.decompress(_FILE.read_bytes()))
    private = descriptor_pool.DescriptorPool()
    for file in files.file:
        private.Add(file)
    return private


@cache
def message(name: str) -> Any:
    """The class of the message *name*, for example ``envoy.config.cluster.v3.Cluster``."""
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(name))


def encode(name: str, body: Mapping[str, Any]) -> bytes:
    """*body* as the message *name*, in bytes that are equal for equal bodies. Raises :class:`Unencodable`."""
    try:
        parsed = json_format.ParseDict(dict(body), message(name)(), descriptor_pool=pool())
    except json_format.ParseError as error:
        raise Unencodable(f"{name} {body.get('name', '')!r} cannot be encoded: {error}") from None
    encoded: bytes = parsed.SerializeToString(deterministic=True)
    return encoded


def decode(name: str, body: bytes) -> dict[str, Any]:
    """The message *name* as JSON, to look at."""
    return json_format.MessageToDict(message(name).FromString(body), descriptor_pool=pool())
