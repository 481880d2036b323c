"""Pydantic's findings on a catalog, said in the catalog's own words and with the names that would have been valid."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from models.catalog import Catalog, Defaults, Policy, Region, Service
from models.catalog_check import Draft
from models.catalog_tree import Node, Path, Problem, shown

_ENTRIES: Final[Mapping[str, tuple[str, type[BaseModel]]]] = {
    "regions": ("region", Region),
    "services": ("service", Service),
    "policies": ("policy", Policy),
}
_STAND_INS: Final[Mapping[str, Any]] = {"tier": 1, "regions": ["any"], "slos": {"availability": {"objective": 99}}}
"""For what a service must have and has not, so that the rest of it can be checked in the same go."""
_PATTERNS: Final = {
    "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$": "a name: lower-case letters, digits and hyphens between them, 63 at most",
    "^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$": "a repository as owner/name",
    "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$": "a release: letters, digits, dots, underscores and hyphens, 63 at most",
}


def validate(top: Node) -> tuple[Catalog | Draft, list[Problem]]:
    """The catalog; or, with problems, as much of it as can still be checked for what fits together."""
    data = top.plain()
    try:
        return Catalog.model_validate(data), []
    except ValidationError as error:
        errors = error.errors(include_url=False)
    problems = [_problem(details, top) for details in errors]
    return _draft(_mapping(data), [problem.path for problem in problems]), problems


def draft_of(catalog: Catalog) -> Draft:
    return Draft(catalog.regions, catalog.services, catalog.policies, catalog.defaults, tuple(catalog.tiers))


def _draft(data: Mapping[str, Any], wrong: Sequence[Path]) -> Draft:
    """What is left of *data* once each wrong field is left out."""
    bad: dict[Path, set[str | int]] = {}
    for path in wrong:
        if len(path) > 2:
            bad.setdefault(path[:2], set()).add(path[2])
    left = {
        part: {
            name: _left(model, value, bad.get((part, name), set())) for name, value in _mapping(data.get(part)).items()
        }
        for part, (_, model) in _ENTRIES.items()
    }
    bad_defaults = {path[1] for path in wrong if path[0] == "defaults" and len(path) > 1}
    defaults = {name: value for name, value in _mapping(data.get("defaults")).items() if name not in bad_defaults}
    return Draft(left["regions"], left["services"], left["policies"], Defaults.model_validate(defaults), ())


def _left(model: type[BaseModel], value: object, bad: set[str | int]) -> Any:
    if not isinstance(value, dict):
        return None
    fields = {key: item for key, item in _mapping(cast("object", value)).items() if key not in bad}
    absent = {key: item for key, item in _STAND_INS.items() if model is Service and key not in fields}
    entry = model.model_validate(fields | absent)
    return entry.model_copy(update={"regions": ()}) if "regions" in absent else entry


def _mapping(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _problem(details: ErrorDetails, top: Node) -> Problem:
    path: Path = tuple(part for part in details["loc"] if part != "[key]")
    written = top.nearest(path).written
    place, kind = _place(path), details["type"]
    context: dict[str, Any] = details.get("ctx", {})
    if kind == "extra_forbidden":
        known = _fields(path[:-1])
        message = f'{_place(path[:-1])} has no field "{shown(str(path[-1]))}"; it can have {", ".join(known)}'
        return Problem(path, message, unknown=str(path[-1]), known=known)
    if kind in ("missing", "union_tag_not_found"):
        field = str(context.get("discriminator", path[-1])).strip("'")
        owner = _place(path if kind == "union_tag_not_found" else path[:-1])
        return Problem(path, f'{owner} needs the field "{field}"')
    if kind == "union_tag_invalid":
        tags = tuple(tag.strip("' ") for tag in str(context["expected_tags"]).split(","))
        field = str(context["discriminator"]).strip("'")
        message = f'{place}: {field} is "{shown(str(context["tag"]))}"; it must be {_alternatives(tags)}'
        return Problem((*path, field), message, unknown=str(context["tag"]), known=tags)
    if kind in ("enum", "literal_error"):
        valid = _choices(path)
        if written in valid:
            return Problem(path, f'{place} is the text "{written}"; write it without quotes')
        message = f'{place} is "{shown(written)}"; it must be {_alternatives(valid)}'
        return Problem(path, message, unknown=written, known=valid)
    if kind == "string_pattern_mismatch":
        wanted = _PATTERNS.get(context["pattern"], f"text like {context['pattern']}")
        return Problem(path, f'{place}: "{shown(str(details["input"]))}" is not {wanted}')
    if kind == "string_type" and written:
        return Problem(path, f"{place}: {shown(written)} is read as {_read_as(details['input'])}; put it in quotes")
    message = details["msg"].replace("Input should be", "it must be").replace("valid tuple", "list")
    message = "it must be a mapping" if kind in ("model_type", "dict_type", "model_attributes_type") else message
    shape = isinstance(details["input"], dict | list)
    found = "" if shape or not written else f' is "{shown(written)}"'
    return Problem(path, f"{place}{found}{';' if found else ':'} {message}")


def _place(path: Path) -> str:
    """``service "billing", slos.availability``"""
    if not path:
        return "the catalog"
    rest = path
    owner = ""
    if len(path) > 1 and path[0] in _ENTRIES:
        owner, rest = f'{_ENTRIES[str(path[0])][0]} "{shown(str(path[1]))}"', path[2:]
    field = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in rest).lstrip(".")
    return ", ".join(part for part in (owner, shown(field)) if part)


def _read_as(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "nothing" if value is None else "a number" if isinstance(value, int | float) else "a list or a mapping"


def _alternatives(values: Sequence[str]) -> str:
    quoted = [f'"{value}"' for value in values]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _fields(path: Path) -> tuple[str, ...]:
    found = _annotation(path)
    return tuple(found.model_fields) if isinstance(found, type) and issubclass(found, BaseModel) else ()


def _choices(path: Path) -> tuple[str, ...]:
    found = _annotation(path)
    if isinstance(found, type) and issubclass(found, Enum):
        return tuple(str(member.value) for member in found)
    return tuple(str(value) for value in get_args(found))


def _annotation(path: Path) -> Any:
    """The type that the models want at *path*."""
    found: Any = Catalog
    for part in path:
        found = _within(_bare(found), part)
    return _bare(found)


def _bare(annotation: Any) -> Any:
    """The annotation without ``Annotated`` and without ``| None``."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [option for option in get_args(annotation) if option is not type(None)]
        return _bare(rest[0]) if len(rest) == 1 else annotation
    return annotation


def _within(annotation: Any, part: str | int) -> Any:
    origin = get_origin(annotation)
    if origin is dict:
        return get_args(annotation)[1]
    if origin is tuple:
        return get_args(annotation)[0]
    if origin in (Union, types.UnionType):
        tagged = [option for option in get_args(annotation) if part in _tags(option)]
        return tagged[0] if tagged else None
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and part in annotation.model_fields:
        return annotation.model_fields[str(part)].annotation
    return None


def _tags(model: Any) -> tuple[Any, ...]:
    """The values of a model's literal fields: what a union is told apart by."""
    fields = model.model_fields.values() if hasattr(model, "model_fields") else ()
    return tuple(
        value for field in fields if get_origin(field.annotation) is Literal for value in get_args(field.annotation)
    )
