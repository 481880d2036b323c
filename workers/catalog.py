"""Loading the catalog file with this process's environment: the one place that reads it from disk."""

from __future__ import annotations

import os
from pathlib import Path

from models.catalog_file import CatalogError, CatalogProblem, LoadedCatalog, parse
from models.catalog_text import MAX_CHARACTERS

_LARGEST = 4 * MAX_CHARACTERS
"""Bytes; UTF-8 has four at most for a character."""


def load_catalog(path: Path) -> LoadedCatalog:
    """The catalog at *path*, ``${NAME}`` filled in. Raises :class:`~models.catalog_file.CatalogError`, also when the
    file is missing, may not be read, or is not UTF-8."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise _unusable(path, "there is no such file; give the catalog's path, or set STERNWAY_CATALOG") from None
    except OSError as error:
        raise _unusable(path, f"the catalog cannot be read: {error.strerror}") from None
    if len(data) > _LARGEST:
        raise _unusable(path, f"the file is larger than a catalog can be; {MAX_CHARACTERS} characters are the limit")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _unusable(path, f"byte {error.start + 1} is not UTF-8; save the file as UTF-8", line) from None
    return parse(text, str(path), os.environ)


def _unusable(path: Path, message: str, line: int = 1) -> CatalogError:
    return CatalogError([CatalogProblem(file=str(path), line=line, message=message)])
