"""The reference of the catalog: each model's fields with type, default and what its docstring says."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import types
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from models.base import Name, Release
from models.catalog import Catalog
from models.catalog_check import DRIVER_KINDS
from models.catalog_text import MAX_CHARACTERS
from models.worth import TIERS

HEAD = """# The catalog

<!-- Made from the code by `python -m docs.generate`; change the docstrings in `models/catalog.py` instead. -->

`catalog.yaml` tells Sternway about regions, services, what they are worth and how they may be protected. Check it with
`sternway check catalog.yaml`, which names every problem with its line. It is one YAML document of at most
LIMIT characters; anchors, aliases and `<<` work. A key given twice is an error, and so is an unknown field.

## An example

```yaml
EXAMPLE```

## Environment variables

In any value, `${NAME}` is replaced by the environment variable, `${NAME:-default}` by the default where it is unset or
empty, and `$${` stands for the text `${`. A variable fills in a value and cannot add structure. Inside `[]` and `{}` a
value with a variable goes in quotes. A variable without a default that is not set is an error.

## What YAML reads differently

`no`, `off`, `1.10` and `~` are not text in YAML. Where text belongs, such as the name of a region or a release, put
them in quotes; `sternway check` says where.
"""


def catalog_page(example: str) -> str:
    parts = [HEAD.replace("LIMIT", f"{MAX_CHARACTERS:,}").replace("EXAMPLE", example)]
    parts += [_section(model) for model in _models(Catalog)]
    kinds = "\n".join(f"| `{module}` | {_codes(kinds)} |" for module, kinds in DRIVER_KINDS.items())
    parts.append(f"## Kinds of drivers\n\n| module | `kind` |\n|---|---|\n{kinds}\n")
    rows = "\n".join(
        f"| {tier} | {value.revenue_per_minute:,.0f} | {value.customers:,} |" for tier, value in TIERS.items()
    )
    what = "Used where neither the service nor `tiers` says more, and labelled `tier-default` wherever it is shown."
    head = "| tier | revenue per minute, US dollars | customers |\n|---|---|---|"
    parts.append(f"## Built-in tier defaults\n\n{what}\n\n{head}\n{rows}\n")
    return "\n".join(parts)


def _section(model: type[BaseModel]) -> str:
    hints = get_type_hints(model, include_extras=True)
    docs = docstrings(model)
    title = "The top level" if model is Catalog else model.__name__
    about = _prose(model.__doc__) if model.__doc__ and model is not Catalog else ""
    rows = "".join(
        f"| `{name}` | {_type(hints[name])} | {_default(hints[name], field)} | "
        f"{_meaning(hints[name], docs.get(name, ''))} |\n"
        for name, field in model.model_fields.items()
    )
    about = f"{about}\n\n" if about else ""
    return f"## {title}\n\n{about}| field | type | default | meaning |\n|---|---|---|---|\n{rows}"


def docstrings(owner: type) -> dict[str, str]:
    """The text below each attribute of a class, by the attribute's name."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    body = next(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)).body
    found: dict[str, str] = {}
    for statement, following in pairwise(body):
        target = statement.target if isinstance(statement, ast.AnnAssign) else None
        target = statement.targets[0] if isinstance(statement, ast.Assign) else target
        text = following.value if isinstance(following, ast.Expr) else None
        if isinstance(target, ast.Name) and isinstance(text, ast.Constant) and isinstance(text.value, str):
            found[target.id] = text.value
    return found


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    """*model* and all that its fields lead to, each once, in the order in which they are met."""
    found = [model]
    for known in found:
        for hint in get_type_hints(known, include_extras=True).values():
            found += [inner for inner in _within(hint) if inner not in found]
    return found


def _within(hint: Any) -> list[type[BaseModel]]:
    if inspect.isclass(hint) and issubclass(hint, BaseModel):
        return [hint]
    return [model for argument in get_args(hint) for model in _within(argument)]


def _type(hint: Any) -> str:
    if hint == Name:
        return "name"
    if hint == Release:
        return "release"
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        limits = _limits(arguments[1:])
        return f"{_type(arguments[0])}{', ' if limits else ''}{limits}"
    if origin in (Union, types.UnionType):
        return " or ".join(_type(option) for option in arguments if option is not type(None))
    if origin is dict:
        return f"mapping of {_type(arguments[0])} to {_type(arguments[1])}"
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is Literal:
        return _codes([str(value) for value in arguments])
    if inspect.isclass(hint) and issubclass(hint, StrEnum):
        return _codes([member.value for member in hint])
    if inspect.isclass(hint) and issubclass(hint, BaseModel):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    return {str: "text", int: "integer", float: "number", bool: "true or false"}[hint]


def _limits(metadata: tuple[Any, ...]) -> str:
    rules = [rule for field in metadata if isinstance(field, FieldInfo) for rule in field.metadata]
    words = {"gt": "above {}", "ge": "at least {}", "lt": "below {}", "le": "at most {}", "min_length": "at least {}"}
    return ", ".join(words[name].format(getattr(rule, name)) for rule in rules for name in words if hasattr(rule, name))


def _default(hint: Any, field: FieldInfo) -> str:
    """A field with one possible value tells its model from others, so it must be written although it has a default."""
    if field.is_required() or (get_origin(hint) is Literal and len(get_args(hint)) == 1):
        return "**needed**"
    value = field.default
    if isinstance(value, BaseModel):
        return "its defaults"
    if value is None or value in ((), {}):
        return "none"
    return f"`{value}`"


def _meaning(hint: Any, text: str) -> str:
    """A field's own docstring, and for a choice what each of its values means."""
    said = [_prose(text)] if text else []
    if inspect.isclass(hint) and issubclass(hint, StrEnum):
        docs = docstrings(hint)
        said += [f"`{member.value}`: {_prose(docs[member.name])}" for member in hint if member.name in docs]
    return " ".join(said)


def _prose(text: str) -> str:
    line = " ".join(text.split()).replace("|", "\\|")
    line = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", line)
    return re.sub(r"``(.+?)``", r"`\1`", re.sub(r"(?<!\*)\*(\w+)\*(?!\*)", r"`\1`", line))


def _codes(values: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"`{value}`" for value in values)
