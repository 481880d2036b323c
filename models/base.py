"""The two base types of every contract: a frozen value, and an error that says what to do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)


class Frozen(BaseModel):
    """An immutable value that crosses a boundary. Unknown fields are refused, so that a typing slip is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def of_any_build(cls, json: str | bytes) -> Self:
        """What another build of ours may have written: a field that only that one knows is no slip and is passed over.

        Raises ``pydantic.ValidationError`` for what is missing or wrong.
        """
        return cls.model_validate_json(json, extra="ignore")


class SternwayError(Exception):
    """What happened, what it means and what to do about it, as one sentence for a person."""


def _utc(value: object, read: ValidatorFunctionWrapHandler) -> datetime:
    try:
        at: datetime = read(value)
    except ValidationError:
        raise ValueError("a time is written in ISO 8601, for example 2026-01-31T12:00:00Z") from None
    if at.tzinfo is None:
        raise ValueError("a time needs its zone, for example 2026-01-31T12:00:00Z")
    return at.astimezone(UTC)


Time = Annotated[datetime, WrapValidator(_utc)]
"""An instant, always in UTC; a naive value is refused."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""A DNS label (RFC 1123): the name of a region, service or driver. It goes into host names, metrics and queue names."""

Release = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
"""The name of a release, as the deployment system knows it: ``v1``, ``2026.11.3``, a commit."""


def _person(value: str) -> str:
    if not value.strip():
        raise ValueError("say who it is; what people decide is recorded with their name")
    return value


Person = Annotated[str, AfterValidator(_person)]
"""Who has decided something, as the record will name them; never blank."""

Percent = Annotated[int, Field(ge=0, le=100)]
