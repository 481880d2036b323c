"""Log lines: JSON, with the incident and the step, and never a secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from models.settings import Settings
from workers.observability.logs import about, configure, logger

SETTINGS = Settings(
    gateway_token=SecretStr("gate-way"),
    operate_token=SecretStr("gate-way-and-more"),
    alert_tokens={"alertmanager": SecretStr("alert-secret")},
    github_secrets=(SecretStr("github-now"), SecretStr("github-next")),
)


class Log(io.StringIO):
    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = Log()
    configure(SETTINGS, "test", stream)
    yield stream
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_line_is_an_object_with_time_level_logger_and_process(log: Log) -> None:
    logger("here").info("started", port=7)
    (line,) = log.lines
    assert line["timestamp"].endswith("Z")
    assert {**line, "timestamp": ""} == {
        "event": "started",
        "port": 7,
        "level": "info",
        "logger": "here",
        "process": "test",
        "timestamp": "",
    }


def test_incident_and_step_are_on_every_line_inside_and_on_none_outside(log: Log) -> None:
    with about(incident="01J", step="route"):
        logger("ours").info("one")
        logging.getLogger("theirs").warning("two")
    logger("ours").info("three")
    assert [(line.get("incident"), line.get("step")) for line in log.lines] == [("01J", "route")] * 2 + [(None, None)]


@pytest.mark.parametrize("secret", ["gate-way", "gate-way-and-more", "alert-secret", "github-next"])
def test_a_secret_is_blanked_wherever_it_turns_up(log: Log, secret: str) -> None:
    logger("ours").info(f"token {secret}", header={"Authorization": f"Bearer {secret}"}, plain=secret)
    logging.getLogger("theirs").warning("refused %s", secret)
    try:
        raise ValueError(f"bad token {secret}")
    except ValueError:
        logger("ours").exception("failed")
    assert secret not in log.getvalue()
    assert "and-more" not in log.getvalue()
    assert len(log.lines) == 3
    assert "ValueError: bad token **********" in log.lines[2]["exception"]


def test_the_console_format_blanks_as_well() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    configure(SETTINGS.model_copy(update={"log_format": "console"}), "test", stream)
    try:
        logger("ours").info("token", value="alert-secret")
        assert "token" in stream.getvalue()
        assert "alert-secret" not in stream.getvalue()
    finally:
        root.handlers, root.level = handlers, level
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
