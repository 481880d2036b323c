"""What the sandbox would refuse at run time is refused in the source: workers load workflows outside of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = sorted((Path(__file__).parents[2] / "workflows").glob("*.py"))

ALLOWED = {"__future__", "asyncio", "collections", "contextlib", "dataclasses", "datetime", "typing"}
"""Of the standard library."""
OURS = {"activities", "models", "workflows"}
THEIRS = {"temporalio", "pydantic_core"}

CLOCKS = {"now", "utcnow", "today", "time", "monotonic", "perf_counter"}
UNORDERED = {"wait", "as_completed", "to_thread", "run_coroutine_threadsafe"}
"""Of asyncio: they use sets or threads; :mod:`temporalio.workflow` has the deterministic ones."""


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def offences(source: str) -> list[str]:
    """Everything in *source* whose result a replay might not repeat."""
    tree = ast.parse(source)
    found = [name for name in imported(tree) if name.partition(".")[0] not in ALLOWED | OURS | THEIRS]
    for node in ast.walk(tree):
        if isinstance(node, ast.Global | ast.Nonlocal):
            found.append(f"line {node.lineno}: state outside of the workflow")
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            owner, name = node.func.value.id, node.func.attr
            if (name in CLOCKS and owner != "workflow") or (owner == "asyncio" and name in UNORDERED):
                found.append(f"line {node.lineno}: {owner}.{name}")
    for statement in tree.body:
        value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.List | ast.Set | ast.ListComp | ast.SetComp):
            found.append(f"line {statement.lineno}: state of a module, shared by all workflows")
    return found


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.stem)
def test_a_workflow_asks_no_clock_no_chance_and_no_world(file: Path) -> None:
    assert offences(file.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import random",
        "from os import environ",
        "import time",
        "from datetime import datetime\nx = datetime.now()",
        "import asyncio\nasync def f():\n    await asyncio.wait(())",
        "SEEN = []",
        "def f():\n    global seen\n    seen = 1",
    ],
)
def test_each_offence_is_found(source: str) -> None:
    assert offences(source)
