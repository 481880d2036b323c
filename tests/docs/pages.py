"""The documents as their reader has them: which there are, and the tables, links and blocks of code in each."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

PAGES = {
    str(path.relative_to(ROOT)): path
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
}
"""By path from the root of the repository."""

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
"""Indentation, language and text of a block of code."""


@dataclass(frozen=True)
class Block:
    """A block of code. *language* is empty where the page names none."""

    page: str
    language: str
    text: str


def blocks(*languages: str) -> list[Block]:
    """Every block in one of *languages*, of all pages."""
    found = {page: FENCE.findall(path.read_text()) for page, path in PAGES.items()}
    return [
        Block(page, language, textwrap.dedent(text))
        for page, matches in found.items()
        for _, language, text in matches
        if language in languages
    ]


def prose(page: str) -> str:
    """The page without its blocks of code."""
    return FENCE.sub("", PAGES[page].read_text())


def table_rows(page: str, section: str | None = None) -> list[list[str]]:
    """The cells of every row of the page's tables, or of those below one heading of the second level."""
    text = PAGES[page].read_text()
    if section is not None:
        text = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|") and not set(line) <= set("|-: ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def first_code(cell: str) -> str:
    """The first thing in backticks of a cell, or nothing."""
    found = re.search(r"`([^`]+)`", cell)
    return found.group(1) if found else ""
