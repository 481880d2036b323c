"""JSON patch (RFC 6902) and merge patch (RFC 7386) as the API server applies them, and as much of its strategic merge
patch as kubectl sends for the kinds here: lists are merged by ``name``, or replaced."""

from __future__ import annotations

import copy
from typing import Any

from tests.kubernetes.says import bad_request, unprocessable


def json_patch(document: Any, operations: Any) -> Any:
    if not isinstance(operations, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    patched = copy.deepcopy(document)
    for operation in operations:
        try:
            patched = _applied(patched, operation)
        except (KeyError, IndexError, ValueError, TypeError):
            raise unprocessable() from None
    return patched


def merge_patch(document: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def strategic_patch(document: Any, patch: Any) -> Any:
    if (
        isinstance(patch, list)
        and isinstance(document, list)
        and all(isinstance(p, dict) and "name" in p for p in patch)
    ):
        by_name = {one["name"]: one for one in document}
        by_name |= {one["name"]: strategic_patch(by_name.get(one["name"], {}), one) for one in patch}
        return list(by_name.values())
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if name.startswith("$"):  # directives: kubectl sends orders of elements, which say nothing about values
            continue
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = strategic_patch(merged.get(name), value)
    return merged


def _applied(document: Any, operation: dict[str, Any]) -> Any:
    op, path = operation["op"], operation["path"]
    if path and not path.startswith("/"):
        raise ValueError(path)
    names = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    if not names:
        raise ValueError("the whole document is nobody's to replace")
    parent = document
    for name in names[:-1]:
        parent = parent[int(name)] if isinstance(parent, list) else parent[name]
    last = names[-1]
    if isinstance(parent, list):
        _in_list(parent, last, op, operation)
    elif op == "test":
        if parent.get(last) != operation["value"] or type(parent.get(last)) is not type(operation["value"]):
            raise ValueError(f"testing value {path} failed")
    elif op == "add":
        parent[last] = copy.deepcopy(operation["value"])
    elif op == "replace":
        if last not in parent:
            raise ValueError(f"replace operation does not apply: missing key {path}")
        parent[last] = copy.deepcopy(operation["value"])
    elif op == "remove":
        del parent[last]
    else:
        raise ValueError(op)
    return document


def _in_list(parent: list[Any], last: str, op: str, operation: dict[str, Any]) -> None:
    if op == "add":
        parent.insert(len(parent) if last == "-" else int(last), copy.deepcopy(operation["value"]))
    elif op == "replace":
        parent[int(last)] = copy.deepcopy(operation["value"])
    elif op == "remove":
        del parent[int(last)]
    elif op == "test":
        if parent[int(last)] != operation["value"]:
            raise ValueError("testing value failed")
    else:
        raise ValueError(op)
