"""How values cross Temporal: as JSON, and read tolerantly, because two builds may be at the two ends.

After an upgrade the new gateway speaks to incidents of the build before, and the locks are everybody's. A signal with a
field that its receiver does not know would be dropped by the SDK without a word to the sender; so such a field is
passed over. CONTRIBUTING says what may therefore be added to a message.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import TypeAdapter
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
)


class TolerantJson(PydanticJSONPlainPayloadConverter):
    """JSON by pydantic, whose unknown fields are passed over wherever they stand."""

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        return _adapter(Any if type_hint is None else type_hint).validate_json(payload.data, extra="ignore")


class TolerantPayloadConverter(CompositePayloadConverter):
    def __init__(self) -> None:
        json = TolerantJson()
        usual = DefaultPayloadConverter.default_encoding_payload_converters
        super().__init__(*(json if isinstance(one, JSONPlainPayloadConverter) else one for one in usual))


@cache
def _adapter(type_hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(type_hint)


data_converter = DataConverter(payload_converter_class=TolerantPayloadConverter)
"""Of every client of ours, and of whoever replays."""
