"""The fields of a platform resource, as a change names them."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import ConfigDict, Field, model_validator

from models.base import Frozen

REPLICAS: Final = "replicas/"
"""The number of replicas wanted, before the name of the release."""

FROZEN: Final = "frozen"
"""True while nobody may deploy the service, absent otherwise."""

ReplicasField = Annotated[str, Field(pattern=r"^replicas/[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


class ChangedFields(Frozen):
    """What a change makes so: ``replicas/<release>`` of some releases, or whether the service is frozen, or both."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[ReplicasField, Annotated[int, Field(ge=0, strict=True)]]  # pyright: ignore[reportIncompatibleVariableOverride] -- so pydantic is told of them

    frozen: Annotated[bool, Field(strict=True)] | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"the change names no field: at least 1 of {REPLICAS}<release> and {FROZEN} is needed")
        return self

    @property
    def replicas(self) -> dict[str, int]:
        """By release."""
        return {name.removeprefix(REPLICAS): number for name, number in self.__pydantic_extra__.items()}
