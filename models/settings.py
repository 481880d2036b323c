"""Settings of the processes: environment variables ``STERNWAY_…``, or a TOML file named by ``STERNWAY_SETTINGS``."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from models.base import SternwayError


class Settings(BaseSettings):
    """One set for all processes; each reads what it needs. Environment variables win over the file.

    What cannot be used is a :class:`~models.base.SternwayError` that names the setting, and not its value, which may be
    a secret.
    """

    model_config = SettingsConfigDict(env_prefix="STERNWAY_", frozen=True, extra="ignore")

    catalog: Path = Path("catalog.yaml")
    """The catalog file."""
    store_url: str = "sqlite:///sternway.db"
    """SQLAlchemy URL of the store: ``sqlite:///FILE`` or ``postgresql+psycopg://…``."""
    temporal_address: str = "127.0.0.1:7233"
    temporal_namespace: str = "default"
    temporal_ui: str = "http://127.0.0.1:8233"
    """Where people open the Temporal UI; only for links."""
    gateway_host: str = "127.0.0.1"
    gateway_port: int = 8440
    gateway_url: str = "http://127.0.0.1:8440"
    """Where people and senders reach the gateway; only for links and clients."""
    gateway_token: SecretStr | None = None
    """Bearer token of people: incidents, approvals, and everything that can be looked at. Without it those routes are
    closed."""
    alert_tokens: Annotated[dict[str, SecretStr], NoDecode] = Field(default_factory=dict)
    """Bearer or Basic secret for each source, as JSON: ``{"alertmanager": "…", "deployments": "…", "guards": "…",
    "reports": "…", "metrics": "…"}``; the last four are for delivery systems, guards inside applications, applications
    that report trouble, and Prometheus. Other sources are closed, and no secret can do more than its source does."""
    github_secrets: Annotated[tuple[Annotated[SecretStr, Field(min_length=1)], ...], NoDecode] = Field(
        default=(), max_length=2
    )
    """Secrets with which GitHub may sign its webhooks, as JSON: the one of now and, while it is replaced, the next one.
    Without one their route is closed."""
    protect_token: SecretStr | None = None
    """Token that may take and release leases at the mesh control planes, and nothing else. The gateway's."""
    operate_token: SecretStr | None = None
    """Token that may change weights and replicas. The pools'; the gateway is never given it."""
    build_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """Build of the gateway and the pools, named by whoever makes images of them; none: the package's version and a
    digest of the sources that a running incident could notice."""
    metrics_port: int | None = None
    """Port of a process's own Prometheus metrics on 127.0.0.1, or the next free one, as a pool has several processes;
    none by default. The gateway serves them itself."""
    otlp_endpoint: str | None = None
    """OTLP/HTTP collector for traces, such as ``http://127.0.0.1:4318``; none: no traces are exported."""
    log_format: Literal["json", "console"] = "json"

    @field_validator("alert_tokens", "github_secrets", mode="before")
    @classmethod
    def _from_json(cls, value: object, info: ValidationInfo) -> object:
        """The environment has text, the file a table or an array."""
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            wanted = 'an object, such as {"alertmanager": "…"}' if info.field_name == "alert_tokens" else 'as ["…"]'
            raise ValueError(f"it must be JSON: {wanted}") from None

    @model_validator(mode="wrap")
    @classmethod
    def _usable(cls, values: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(values)
        except ValidationError as error:
            wrong = [f"STERNWAY_{str(one['loc'][0]).upper()} cannot be used: {one['msg']}" for one in error.errors()]
            raise SternwayError(f"{'; '.join(wrong)}; correct it in the environment or in the settings file") from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources = (init_settings, env_settings)
        file = os.environ.get("STERNWAY_SETTINGS")
        if not file:
            return sources
        if not Path(file).is_file():
            raise SternwayError(f"there is no settings file {file}; correct STERNWAY_SETTINGS, or leave it away")
        try:
            return (*sources, TomlConfigSettingsSource(settings_cls, Path(file)))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SternwayError(f"the settings file {file} is not TOML: {error}; correct it there") from None
        except OSError as error:
            raise SternwayError(f"the settings file {file} cannot be read: {error.strerror}") from None
