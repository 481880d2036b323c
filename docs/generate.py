"""Writes the reference pages from the code, so that they cannot say anything else: ``python -m docs.generate``.

``tests/docs`` holds the committed pages against what this makes.
"""

from __future__ import annotations

from pathlib import Path

from docs.catalog_page import catalog_page
from docs.command_page import command_page
from docs.features_page import features_page

REFERENCE = Path(__file__).parent / "reference"


def pages() -> dict[str, str]:
    """By file name in ``docs/reference``."""
    example = (REFERENCE / "catalog-example.yaml").read_text()
    return {
        "catalog.md": catalog_page(example),
        "command-line.md": command_page(),
        "features.md": features_page(),
    }


def write() -> None:
    for name, text in pages().items():
        (REFERENCE / name).write_text(text)
        print(f"wrote {REFERENCE / name}")


if __name__ == "__main__":
    write()
