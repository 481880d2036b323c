"""From the catalog's text to plain values that remember their lines.

YAML is read event by event, so that nesting and aliases are bounded while they are read, keys stay what was written
(``no:`` is the region "no"), and ``${NAME}`` is replaced inside a value, where it cannot change the structure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import yaml

from models.catalog_tree import Node, Path, Problem, shown

MAX_CHARACTERS: Final = 1 << 20
MAX_DEPTH: Final = 24
MAX_VALUES: Final = 100_000
"""Values after the expansion of aliases: a bomb of aliases ends here."""

_VARIABLE = re.compile(r"\$\$\{|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<fallback>:-[^}]*)?\}|(?P<wrong>[^}]*\}?))")
_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|\r(?!\n)"
)
"""Also what YAML takes for the end of a line and an editor does not: the lines in the errors would be wrong."""
_CORE = "tag:yaml.org,2002:"
_READ_AS_WRITTEN = {_CORE + name for name in ("str", "timestamp", "merge", "value")}
_READ_AS_VALUE = {_CORE + name for name in ("int", "float", "bool", "null")}
_LONGEST_NUMBER = 40


class Unreadable(Exception):
    """The text has no values to go on with: one problem, and no more can be found behind it."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.problem = Problem((), message, line)


def read(text: str, environment: Mapping[str, str]) -> tuple[Node, list[Problem]]:
    """The values of *text* with *environment* filled in, and what was wrong with single ones of them.

    Raises :class:`Unreadable` where there is no going on: syntax, size, nesting, or a top level that is no mapping.
    """
    if len(text) > MAX_CHARACTERS:
        raise Unreadable(1, f"the catalog has {len(text)} characters; {MAX_CHARACTERS} are the limit")
    if found := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise Unreadable(line, f"the character U+{ord(found[0]):04X} cannot stand in a catalog; remove it")
    reader = _Reader(text, environment)
    try:
        top = reader.document()
    except yaml.YAMLError as error:
        raise _syntax(error, text) from None
    if not isinstance(top.value, dict):
        raise Unreadable(top.line, 'the catalog must be a mapping that begins with "version: 1"')
    return top, reader.problems


@dataclass
class _Reader:
    text: str
    environment: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list[Problem])
    anchors: dict[str, tuple[Node, int]] = field(default_factory=dict[str, tuple[Node, int]])
    """By name: the node and how many values it holds."""
    values: int = 0

    def document(self) -> Node:
        self.events: Iterator[Any] = cast("Iterator[Any]", yaml.parse(self.text, Loader=yaml.CSafeLoader))
        self.resolver: Any = yaml.SafeLoader("")
        next(self.events)  # the stream begins
        if isinstance(next(self.events), yaml.StreamEndEvent):
            raise Unreadable(1, 'the catalog is empty; it must begin with "version: 1"')
        top = self.node(next(self.events), ())
        next(self.events)  # the document ends
        more = next(self.events)
        if not isinstance(more, yaml.StreamEndEvent):
            raise Unreadable(more.start_mark.line + 1, "a second document begins here; a catalog is one document")
        return top

    def node(self, event: Any, path: Path) -> Node:
        line = event.start_mark.line + 1
        if len(path) > MAX_DEPTH:
            raise Unreadable(line, f"the values are nested deeper than {MAX_DEPTH}")
        if isinstance(event, yaml.AliasEvent):
            return self.alias(str(event.anchor), line)
        before = self.values
        self.count(1, line)
        if isinstance(event, yaml.ScalarEvent):
            node = self.scalar(event, line, path)
        elif isinstance(event, yaml.SequenceStartEvent):
            self.structure(event.tag, "seq", line, path)
            items: list[Node] = []
            while not isinstance(inner := next(self.events), yaml.SequenceEndEvent):
                items.append(self.node(inner, (*path, len(items))))
            node = Node(items, line)
        else:
            self.structure(event.tag, "map", line, path)
            node = Node(self.mapping(path), line)
        if event.anchor:
            self.anchors[str(event.anchor)] = (node, self.values - before)
        return node

    def alias(self, name: str, line: int) -> Node:
        if name not in self.anchors:
            raise Unreadable(line, f'the alias "*{name}" stands for nothing that was defined before it')
        node, size = self.anchors[name]
        self.count(size, line)
        return Node(node.value, line, node.written)

    def count(self, values: int, line: int) -> None:
        self.values += values
        if self.values > MAX_VALUES:
            raise Unreadable(line, f"with its aliases the catalog has more than {MAX_VALUES} values")

    def mapping(self, path: Path) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            if not isinstance(event, yaml.ScalarEvent):
                raise Unreadable(line, "a key must be a plain name")
            key = str(event.value)
            value = self.node(next(self.events), (*path, key))
            if key == "<<" and event.implicit[0]:
                self.merge(value, merged, line, path)
            elif key in entries:
                first = entries[key].line
                self.problems.append(Problem((*path, key), f'"{shown(key)}" was given in line {first} already', line))
            else:
                entries[key] = Node(value.value, line, value.written)
        return merged | entries

    def merge(self, value: Node, into: dict[str, Node], line: int, path: Path) -> None:
        """``<<: *base``, or a list of them, of which the first wins."""
        for source in reversed(value.value if isinstance(value.value, list) else [value]):
            if not isinstance(source.value, dict):
                self.problems.append(Problem((*path, "<<"), '"<<" takes a mapping, or a list of them', line))
                return
            into |= source.value

    def structure(self, tag: str | None, kind: str, line: int, path: Path) -> None:
        if tag not in (None, "!", _CORE + kind):
            self.problems.append(Problem(path, f'the tag "{shown(str(tag))}" is not known; leave it out', line))

    def scalar(self, event: Any, line: int, path: Path) -> Node:
        written = _VARIABLE.sub(lambda match: self.variable(match, line, path), event.value)
        tag: str = event.tag or self.resolver.resolve(yaml.ScalarNode, written, event.implicit)
        if tag == "!" or tag in _READ_AS_WRITTEN:
            return Node(written, line, written)
        if tag not in _READ_AS_VALUE:
            self.problems.append(Problem(path, f'the tag "{shown(tag)}" is not known; leave it out', line))
            return Node(written, line, written)
        if len(written) > _LONGEST_NUMBER:
            self.problems.append(Problem(path, f"{shown(written)} is too long for a number", line))
            return Node(None, line, written)
        try:
            value = cast("int | float | bool | None", self.resolver.construct_object(yaml.ScalarNode(tag, written)))
        except (ValueError, KeyError, IndexError, OverflowError):
            value = math.nan
        if isinstance(value, float) and not math.isfinite(value):
            self.problems.append(Problem(path, f'"{shown(written)}" is not a finite number', line))
            value = None
        return Node(value, line, written)

    def variable(self, match: re.Match[str], line: int, path: Path) -> str:
        if match[0] == "$${":
            return "${"
        name = match["name"]
        if not name:
            wrong = f'"{shown(match[0])}" names no variable; write ${{NAME}}, ${{NAME:-default}}, or $${{ for the text'
            self.problems.append(Problem(path, wrong, line))
            return ""
        value = self.environment.get(name)
        if not value and match["fallback"] is not None:
            return match["fallback"].removeprefix(":-")
        if value is None:
            unset = f"the environment variable {shown(name)} is not set; set it, or write ${{{shown(name)}:-default}}"
            self.problems.append(Problem(path, unset, line))
            return ""
        if _UNPRINTABLE.search(value):
            self.problems.append(Problem(path, f"the environment variable {name} holds unprintable characters", line))
            return ""
        return value


def _syntax(error: yaml.YAMLError, text: str) -> Unreadable:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = min(mark.line, text.count("\n")) + 1 if mark else 1
    lines = text.split("\n")
    here = lines[line - 1] if line <= len(lines) else ""
    what = str(getattr(error, "problem", None) or error)
    if "\t" in here[: len(here) - len(here.lstrip())]:
        return Unreadable(line, "a tab cannot indent a line; use spaces")
    if "${" in here:
        return Unreadable(line, f"{what}; inside [] and {{}} put a value with ${{…}} in quotes")
    context = getattr(error, "context", None)
    return Unreadable(line, " ".join((f"{context}: {what}" if context else what).split()))
