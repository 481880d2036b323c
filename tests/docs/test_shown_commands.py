"""Every command that a page shows exists and takes the options that it is shown with."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from tests.docs.pages import PAGES, ROOT, blocks, prose
from workers.cli.main import app

GENERATED = {"docs/reference/command-line.md"}
"""Its blocks show usage and not commands; it is held against the code as a whole."""


def lines_to_type(text: str) -> list[str]:
    """The lines of a block of shell, without comments and with continued lines joined."""
    joined = text.replace("\\\n", " ")
    return [stripped for line in joined.splitlines() if (stripped := line.split("  #")[0].strip())]


TYPED = [(b.page, line) for b in blocks("sh") for line in lines_to_type(b.text) if not line.startswith("#")]
SHOWN = [(page, line.removeprefix(".venv/bin/")) for page, line in TYPED if page not in GENERATED]
COMMANDS = [(page, line) for page, line in SHOWN if line.startswith("sternway ")]
MENTIONS = sorted({(p, m) for p in PAGES if p not in GENERATED for m in re.findall(r"`(sternway [^`]+)`", prose(p))})
UNITS = [(b.page, m) for b in blocks("ini") for m in re.findall(r"^ExecStart=\S*/(sternway .+)$", b.text, re.M)]


def leaf(words: list[str]) -> tuple[Any, list[str]]:
    """The command that *words* name, and the words that are left for it."""
    command: Any = get_command(app)
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"there is no command {words[0]!r}"
        command, words = command.commands[words[0]], words[1:]
    return command, words


def options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}


@pytest.mark.parametrize(("page", "line"), COMMANDS + UNITS)
def test_a_command_in_a_block_parses(page: str, line: str) -> None:
    command, words = leaf(shlex.split(line, comments=True)[1:])
    if "--help" in words:
        return
    assert command.make_context("sternway", words).args == []


@pytest.mark.parametrize(("page", "mention"), MENTIONS)
def test_a_command_in_a_sentence_exists_with_its_options(page: str, mention: str) -> None:
    command, words = leaf(shlex.split(mention)[1:])
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options(command)


@pytest.mark.parametrize(("page", "line"), [(page, line) for page, line in SHOWN if line.startswith("make ")])
def test_a_target_of_make_exists(page: str, line: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)) | {"help"}
    assert shlex.split(line, comments=True)[1] in targets


@pytest.mark.parametrize("page", PAGES)
def test_a_module_that_is_to_be_run_exists(page: str) -> None:
    for module in re.findall(r"python -m ((?:bench|docs|workers|deploy)[\w.]*)", PAGES[page].read_text()):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def test_there_is_something_to_check() -> None:
    assert len(COMMANDS) > 10 and len(MENTIONS) > 10 and UNITS
