"""Logs as one JSON object a line on standard error, with the incident and the step that the line is about.

Whatever logs through the standard library (Temporal's SDK, uvicorn) comes out the same way, and a configured secret is
blanked wherever it turns up: a token in an error message of some library must not outlive the process in a log store.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, TextIO

import structlog
from pydantic import SecretStr
from structlog.typing import EventDict, Processor, WrappedLogger

from models.settings import Settings

BLANK = "**********"


def configure(settings: Settings, process: str, stream: TextIO | None = None) -> None:
    """Send all logs of this process to *stream* (standard error), in the settings' format. Call once, at its start."""
    structlog.contextvars.bind_contextvars(process=process)
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    console = settings.log_format == "console"
    rendering: list[Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if console
        else [structlog.processors.format_exc_info, _Blanking(secrets(settings)), structlog.processors.JSONRenderer()]
    )
    if console:
        rendering.insert(0, _Blanking(secrets(settings)))
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request says nothing at this level


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of one module."""
    return structlog.stdlib.get_logger(name)


def about(*, incident: str | None = None, step: str | None = None, **more: str) -> AbstractContextManager[Any]:
    """While it is entered, every line of this task carries these: ``with about(incident=…, step=…):``."""
    bound = {"incident": incident, "step": step, **more}
    return structlog.contextvars.bound_contextvars(**{name: value for name, value in bound.items() if value})


def secrets(settings: Settings) -> tuple[str, ...]:
    """The values of every secret in the settings, longest first so that none is blanked only in part."""
    return tuple(sorted(set(_secrets_in(dict(settings).values())), key=len, reverse=True))


def _secrets_in(values: Iterable[object]) -> Iterable[str]:
    for value in values:
        if isinstance(value, SecretStr) and value.get_secret_value():
            yield value.get_secret_value()
        elif isinstance(value, dict):
            yield from _secrets_in(value.values())  # pyright: ignore[reportUnknownArgumentType] -- any mapping will do
        elif isinstance(value, tuple):
            yield from _secrets_in(value)  # pyright: ignore[reportUnknownArgumentType] -- and any tuple


class _Blanking:
    """Replaces the secrets in every value of a line."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = secrets

    def __call__(self, logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
        return {key: self._blank(value) for key, value in event.items()}

    def _blank(self, value: object) -> object:
        if isinstance(value, bool | int | float) or value is None:
            return value
        text = value if isinstance(value, str) else repr(value)
        blanked = text
        for secret in self._secrets:
            blanked = blanked.replace(secret, BLANK)
        return value if blanked == text else blanked
