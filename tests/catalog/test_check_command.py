"""``sternway check`` as a person and as a machine sees it: output, error output and exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from catalogs import ENVIRONMENT, RIGHT, line_of

from workers.catalog import load_catalog

SPOILED = RIGHT.replace("- ledger", "- ledgr")


def check(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from workers.cli.main import run; run()", "check", *arguments]
    inherited = {name: value for name, value in os.environ.items() if name != "EU_MESH"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=inherited | environment)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.yaml"
    path.write_text(RIGHT)
    return path


def test_a_right_catalog_is_summed_up(file: Path) -> None:
    answer = check(str(file), **ENVIRONMENT)
    assert answer.returncode == 0, answer.stderr
    first, *parts = answer.stdout.splitlines()
    assert first.startswith(f"{file} is right, digest ")
    assert parts == ["  regions: eu, us", "  services: billing, ledger", "  policies: careful, reroute"]


def test_machines_get_names_and_the_digest(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EU_MESH", ENVIRONMENT["EU_MESH"])
    answer = json.loads(check(str(file), "--json", **ENVIRONMENT).stdout)
    assert answer["valid"] is True
    assert answer["problems"] == []
    assert answer["digest"] == load_catalog(file).digest
    assert answer["services"] == ["billing", "ledger"]


def test_every_problem_is_a_line_of_the_error_output(file: Path) -> None:
    file.write_text(SPOILED)
    answer = check(str(file))
    assert answer.returncode == 1
    assert answer.stdout == ""
    line = line_of(SPOILED, "- ledgr")
    assert answer.stderr.splitlines() == [
        f"{file}:5: the environment variable EU_MESH is not set; set it, or write ${{EU_MESH:-default}}",
        f'{file}:{line}: service "billing" depends on "ledgr", which is not defined; did you mean "ledger"?',
    ]


def test_machines_get_every_problem_with_its_line(file: Path) -> None:
    file.write_text(SPOILED)
    answer = check(str(file), "--json")
    assert answer.returncode == 1
    said = json.loads(answer.stdout)
    assert said["valid"] is False
    assert [(problem["file"], problem["line"]) for problem in said["problems"]] == [
        (str(file), 5),
        (str(file), line_of(SPOILED, "- ledgr")),
    ]


def test_a_file_that_cannot_be_read_is_a_problem_too(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"version: 1\n# caf\xe9\n")
    for path, message in [
        (tmp_path / "none.yaml", ":1: there is no such file; give the catalog's path, or set STERNWAY_CATALOG"),
        (tmp_path, ":1: the catalog cannot be read: Is a directory"),
        (latin, ":2: byte 17 is not UTF-8; save the file as UTF-8"),
    ]:
        answer = check(str(path))
        assert answer.returncode == 1
        assert answer.stderr == f"{path}{message}\n"
