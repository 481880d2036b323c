"""The fields of a platform resource, as a change names them."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import ConfigDict, Field, model_validator

from models.base import Frozen

REPLICAS: Final = "replicas/"
"""The number of replicas wanted, before the name of the release."""

FROZEN: Final = "frozen"
"""True while nobody may deploy the service, absent otherwise."""

RESTARTED: Final = "restarted/"
"""When a replica of the release was asked to be replaced, before the name of the release."""

NamedField = Annotated[str, Field(pattern=r"^(replicas|restarted)/[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Moment = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)$")]
"""A time in UTC, as RFC 3339 has it."""


class ChangedFields(Frozen):
    """What a change makes so: at least one of ``replicas/<release>``, ``restarted/<release>`` and ``frozen``."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[NamedField, Annotated[int, Field(ge=0, strict=True)] | Moment]  # pyright: ignore[reportIncompatibleVariableOverride] -- so pydantic is told of them

    frozen: Annotated[bool, Field(strict=True)] | None = None

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(
                f"the change names no field: at least 1 of {REPLICAS}<release>, {RESTARTED}<release> and {FROZEN} is "
                "needed"
            )
        for name, value in self.__pydantic_extra__.items():
            if name.startswith(RESTARTED) is not isinstance(value, str):
                raise ValueError(f"{REPLICAS}<release> is a valid integer, {RESTARTED}<release> a time; {name} is not")
        return self

    @property
    def replicas(self) -> dict[str, int]:
        """By release."""
        extra = self.__pydantic_extra__.items()
        return {name.removeprefix(REPLICAS): number for name, number in extra if isinstance(number, int)}

    @property
    def restarted(self) -> tuple[str, ...]:
        """The releases of which a replica is to be replaced."""
        return tuple(name.removeprefix(RESTARTED) for name in self.__pydantic_extra__ if name.startswith(RESTARTED))
