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


def is_catalog(block: Block) -> bool:
    content = yaml.safe_load(block.text)
    return isinstance(content, dict) and set(content) <= set(Catalog.model_fields)


def merged(base: Any, part: Any) -> Any:
    if isinstance(base, dict) and isinstance(part, dict):
        return {key: merged(base.get(key), part[key]) if key in part else base[key] for key in {**base, **part}}
    return part


@named(blocks("yaml"))
def test_yaml_reads_and_a_catalog_or_a_part_of_one_is_right(block: Block) -> None:
    if not is_catalog(block):
        return
    example = yaml.safe_load((REFERENCE / "catalog-example.yaml").read_text())
    text = (
        block.text
        if "version" in yaml.safe_load(block.text)
        else yaml.safe_dump(merged(example, yaml.safe_load(block.text)))
    )
    assert parse(text, block.page, {}).catalog.services


def test_the_reference_of_the_catalog_shows_a_whole_one() -> None:
    shown = [block for block in blocks("yaml") if block.page == "docs/reference/catalog.md"]
    assert any(is_catalog(block) for block in shown)


@named(blocks("toml"))
def test_toml_holds_settings_that_exist(block: Block) -> None:
    assert set(tomllib.loads(block.text)) <= set(Settings.model_fields)


@named(blocks("python"))
def test_python_compiles(block: Block) -> None:
    body = (
        block.text
        if not block.text.lstrip().startswith("def ")
        else f"from __future__ import annotations\n{block.text}"
    )
    compile(body, block.page, "exec")


@named(blocks("sh"))
def test_shell_parses(block: Block) -> None:
    shell = shutil.which("bash")
    assert shell, "the demo needs a shell, and so does this test"
    checked = subprocess.run([shell, "-n"], input=block.text, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
