"""Label and field selectors, as they come in a query."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.kubernetes.says import Json, bad_request

_SET = re.compile(r"^(?P<key>[^\s=!(),]+)\s+(?P<op>in|notin)\s+\((?P<values>[^)]*)\)$")
_EQUAL = re.compile(r"^(?P<key>[^\s=!(),]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s=!(),]*)$")
_EXISTS = re.compile(r"^(?P<not>!?)(?P<key>[^\s=!(),]+)$")


def labels_match(labels: Mapping[str, str], selector: str) -> bool:
    return all(_matches(labels, part.strip()) for part in re.split(r",(?![^(]*\))", selector) if part.strip())


def fields_match(obj: Json, selector: str) -> bool:
    values = {f"metadata.{name}": str(obj["metadata"].get(name, "")) for name in ("name", "namespace")}
    for part in filter(None, selector.split(",")):
        found = _EQUAL.match(part)
        if not found or found["key"] not in values:
            raise bad_request(f"field label not supported: {part}")
        if (values[found["key"]] == found["value"]) == (found["op"] == "!="):
            return False
    return True


def _matches(labels: Mapping[str, str], part: str) -> bool:
    if found := _SET.match(part):
        values = [value.strip() for value in found["values"].split(",")]
        return (labels.get(found["key"]) in values) == (found["op"] == "in")
    if found := _EQUAL.match(part):
        return (labels.get(found["key"]) == found["value"]) == (found["op"] != "!=")
    if found := _EXISTS.match(part):
        return (found["key"] in labels) != bool(found["not"])
    raise bad_request(f"unable to parse requirement: {part}")
