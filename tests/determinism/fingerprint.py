"""A fingerprint of each module that decides which commands a workflow gives, and in which order.

    python -m tests.determinism.fingerprint --write

accepts the modules as they are now. Comments, docstrings, layout and the Python version make no difference.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
from pathlib import Path

BASELINE = Path(__file__).parent / "fingerprints.json"
SOURCES = Path(__file__).parents[2] / "workflows"


def fingerprints() -> dict[str, str]:
    """By module."""
    return {f"workflows.{file.stem}": fingerprint(file.read_text()) for file in sorted(SOURCES.glob("*.py"))}


def fingerprint(source: str) -> str:
    """Digest of what *source* does."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [statement for statement in node.body if not _is_text(statement)]
    return hashlib.sha256(json.dumps(_values(tree)).encode()).hexdigest()


def _is_text(statement: ast.stmt) -> bool:
    """A docstring, of whatever it stands behind."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _values(node: object) -> object:
    """The tree as JSON. What is empty is left out: newer versions of Python add fields that old code leaves empty."""
    if isinstance(node, ast.AST):
        fields = {name: _values(value) for name, value in ast.iter_fields(node) if value not in (None, [])}
        return [type(node).__name__, fields]
    if isinstance(node, list):
        return [_values(item) for item in node]
    return repr(node)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="make what is there now the baseline")
    text = json.dumps(fingerprints(), indent=1) + "\n"
    if parser.parse_args().write:
        BASELINE.write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
