"""The reference of the predictor's features: one row for each definition, by category."""

from __future__ import annotations

import inspect
from itertools import groupby
from operator import attrgetter

from activities.predictor.features import registry
from activities.predictor.features.definition import Definition

HEAD = """# The predictor's features

<!-- Made from the code by `python -m docs.generate`; change the definitions in `activities/predictor/features`. -->

What the predictor knows of a service (or of any entity) at a row of the grid, each computed from that row and earlier
ones alone. COUNT definitions in five categories; those of a metric or a detector are there once for each of them.

WORDS
"""

OVER = {"entity": "the entity", "metric": "each metric", "detector": "each detector"}

_category = attrgetter("category")


def features_page() -> str:
    words = " ".join(inspect.cleandoc(registry.__doc__ or "").split("\n\n")[-1].split())
    parts = [HEAD.replace("COUNT", str(len(registry.DEFINITIONS))).replace("WORDS", words)]
    for category, same in groupby(sorted(registry.DEFINITIONS, key=_category), key=_category):
        rows = "\n".join(map(_row, same))
        parts.append(f"## {category.capitalize()}\n\n| feature | of | unit | formula |\n|---|---|---|---|\n{rows}\n")
    return "\n".join(parts)


def _row(one: Definition) -> str:
    formula = one.formula.replace("|", "\\|")
    return f"| `{one.name}` | {OVER[one.over]} | {one.unit} | {formula} |"
