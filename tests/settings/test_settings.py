"""Settings that cannot be used are refused by name, before anything is done with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from models.base import SternwayError
from models.settings import Settings


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("STERNWAY_GATEWAY_PORT", "abc", "STERNWAY_GATEWAY_PORT cannot be used: Input should be a valid integer"),
        ("STERNWAY_LOG_FORMAT", "xml", "STERNWAY_LOG_FORMAT cannot be used: Input should be 'json' or 'console'"),
        ("STERNWAY_ALERT_TOKENS", "s3cret", "STERNWAY_ALERT_TOKENS cannot be used: Value error, it must be JSON: an"),
        ("STERNWAY_ALERT_TOKENS", '["s3cret"]', "STERNWAY_ALERT_TOKENS cannot be used: Input should be a valid dict"),
        ("STERNWAY_ALERT_TOKENS", '{"alertmanager": 5}', "STERNWAY_ALERT_TOKENS cannot be used: Input should be"),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SternwayError) as refused:
        Settings()
    assert why in str(refused.value)
    assert value not in str(refused.value)


def test_what_stands_in_the_file_is_read_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "sternway.toml"
    file.write_text('gateway_port = 8500\ngateway_host = "::1"\n[alert_tokens]\nalertmanager = "of the file"\n')
    monkeypatch.setenv("STERNWAY_SETTINGS", str(file))
    monkeypatch.setenv("STERNWAY_GATEWAY_PORT", "8600")
    settings = Settings()
    assert (settings.gateway_port, settings.gateway_host) == (8600, "::1")
    assert settings.alert_tokens["alertmanager"].get_secret_value() == "of the file"
    monkeypatch.setenv("STERNWAY_ALERT_TOKENS", '{"alertmanager": "of the environment"}')
    assert Settings().alert_tokens["alertmanager"].get_secret_value() == "of the environment"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "there is no settings file"),
        (b"gateway_port = ", "is not TOML"),
        (b"\xff", "is not TOML"),
        (b'gateway_port = "abc"', "STERNWAY_GATEWAY_PORT cannot be used"),
    ],
)
def test_a_file_that_cannot_be_used_ends_a_command_with_its_name_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, why: str
) -> None:
    file = tmp_path / "sternway.toml"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("STERNWAY_SETTINGS", str(file))
    command = [sys.executable, "-m", "workers.cli", "holds", "list"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.startswith("sternway: ")
    assert why in said.stderr
    assert "Traceback" not in said.stderr
