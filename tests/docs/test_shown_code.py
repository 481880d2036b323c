"""What a page shows to be copied is right in form: catalogs and parts of them, JSON, TOML, Python and shell."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from typing import Any

import pytest
import yaml

from docs.generate import REFERENCE
from models.catalog import Catalog
from models.catalog_file import parse
from models.settings import Settings
from tests.docs.pages import Block, blocks


def named(found: list[Block]) -> Any:
    return pytest.mark.parametrize("block", found, ids=[f"{b.page}:{b.text.splitlines()[0]}" for b in found])


def content(block: Block) -> Any:
    return yaml.safe_load(block.text)


CATALOGS = [b for b in blocks("yaml") if isinstance(content(b), dict) and set(content(b)) <= set(Catalog.model_fields)]
"""Whole ones, and parts of one; other YAML is Alertmanager's, which its own tools check."""


def merged(base: Any, part: Any) -> Any:
    if isinstance(base, dict) and isinstance(part, dict):
        return {key: merged(base.get(key), part[key]) if key in part else base[key] for key in {**base, **part}}
    return part


@named(CATALOGS)
def test_a_catalog_is_right_and_so_is_a_part_within_the_example(block: Block) -> None:
    example = yaml.safe_load((REFERENCE / "catalog-example.yaml").read_text())
    whole = block.text if "version" in content(block) else yaml.safe_dump(merged(example, content(block)))
    assert parse(whole, block.page, {}).catalog.services


def test_whole_catalogs_and_parts_are_shown() -> None:
    assert {"version" in content(block) for block in CATALOGS} == {True, False}


@named(blocks("toml"))
def test_toml_holds_settings_that_exist(block: Block) -> None:
    assert set(tomllib.loads(block.text)) <= set(Settings.model_fields)


@named(blocks("python"))
def test_python_compiles(block: Block) -> None:
    compile(block.text, block.page, "exec")


@named(blocks("sh"))
def test_shell_parses(block: Block) -> None:
    shell = shutil.which("bash")
    assert shell, "the demo needs a shell, and so does this test"
    checked = subprocess.run([shell, "-n"], input=block.text, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
