"""Importing the workflows loads no driver and nothing heavy: pools need no machine learning in memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

WORKFLOWS = "workflows.incident, workflows.rollback, workflows.lock, workflows.prevention"
PROGRAM = f"import sys, {WORKFLOWS}; print(*sys.modules, sep='\\n')"


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    output = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    return set(output.stdout.split())


@pytest.mark.parametrize("heavy", ["numpy", "xgboost", "sqlalchemy", "sqlmodel", "httpx", "fastapi", "models.tables"])
def test_nothing_heavy_is_loaded(loaded: set[str], heavy: str) -> None:
    assert heavy not in loaded


def test_of_the_activities_only_contracts_are_loaded(loaded: set[str]) -> None:
    of_ours = {name for name in loaded if name.startswith("activities.") and name.count(".") > 1}
    assert {name.rpartition(".")[2] for name in of_ours} == {"contract"}
