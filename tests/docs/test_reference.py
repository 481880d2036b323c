"""The reference pages say what the code says; ``python -m docs.generate`` writes them anew."""

from __future__ import annotations

import pytest

from docs.catalog_page import docstrings
from docs.generate import REFERENCE, pages
from models.catalog import Catalog, Level, OnPoolLoss, Policy, RollbackPolicy, Service
from models.catalog_file import parse

CURE = "run `python -m docs.generate` and commit what it writes"


@pytest.mark.parametrize("name", ["catalog.md", "command-line.md"])
def test_a_committed_page_is_the_generated_one(name: str) -> None:
    assert (REFERENCE / name).read_text() == pages()[name], CURE


def test_the_example_is_a_right_catalog() -> None:
    example = (REFERENCE / "catalog-example.yaml").read_text()
    assert set(parse(example, "catalog-example.yaml", {}).catalog.services) == {"ledger", "payments"}
    assert example in pages()["catalog.md"]


@pytest.mark.parametrize("model", [Catalog, Service, Policy, RollbackPolicy])
def test_every_field_has_a_row_and_its_docstring(model: type[Catalog]) -> None:
    page = pages()["catalog.md"]
    for name in model.model_fields:
        assert f"| `{name}` |" in page
    for text in docstrings(model).values():
        assert text.split("``")[0].split("*")[0][:60] in page


@pytest.mark.parametrize("choice", [Level, OnPoolLoss])
def test_every_value_of_a_choice_is_named(choice: type[Level]) -> None:
    page = pages()["catalog.md"]
    assert all(f"`{value}`" in page for value in choice)


@pytest.mark.parametrize("command", ["check", "incidents approve", "audit verify"])
def test_every_command_has_its_usage_options_and_example(command: str) -> None:
    page = pages()["command-line.md"]
    section = page.split(f"## `sternway {command}`\n")[1].split("\n## ")[0]
    assert f"sternway {command} [OPTIONS]" in section
    assert "`--json`" in section or command == "incidents approve"
    assert "Example: " in section
    assert "[bold]" not in section
