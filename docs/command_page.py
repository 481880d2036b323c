"""The reference of the command line: what ``--help`` says of every command, on one page."""

from __future__ import annotations

import re
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from workers.cli.main import app

HEAD = """# The command line

<!-- Made from the code by `python -m docs.generate`; change the docstrings in `workers/cli` instead. -->

An error that names its cure ends a command with status 2. `--json` prints for machines; everything else is for people
and may change.
"""


def command_page() -> str:
    command: Any = get_command(app)
    parts = [HEAD]
    for path, sub in _commands(command, "sternway"):
        parts.append(_section(path, sub))
    return "\n".join(parts)


def _commands(group: Any, path: str) -> list[tuple[str, Any]]:
    """Every command below *group* with its full name, by name."""
    found: list[tuple[str, Any]] = []
    for name in sorted(group.commands):
        command, full = group.commands[name], f"{path} {name}"
        found += _commands(command, full) if isinstance(command, TyperGroup) else [(full, command)]
    return found


def _section(path: str, command: Any) -> str:
    context = typer.Context(command, info_name=path)
    usage = " ".join(command.collect_usage_pieces(context))
    records = [record for parameter in command.get_params(context) if (record := parameter.get_help_record(context))]
    rows = [f"| `{_cell(name)}` | {_cell(text)} |" for name, text in records if not name.startswith("--help")]
    table = ["| argument or option | meaning |", "|---|---|", *rows, ""] if rows else []
    texts = [text for text in (command.help, command.epilog) if text]
    return "\n".join(
        [f"## `{path}`\n", *(f"{_prose(text)}\n" for text in texts), f"```\n{path} {usage}\n```\n", *table]
    )


def _cell(text: str) -> str:
    return _prose(" ".join(text.split())).replace("|", "\\|")


def _prose(text: str) -> str:
    return re.sub(r"\[(/?)bold\]", "`", text)
