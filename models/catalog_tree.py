"""A catalog's values with the lines on which they stand, and the problems that are found with them."""

from __future__ import annotations

from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Where a value stands: keys and list positions from the top."""

Plain = str | int | float | bool | list["Plain"] | dict[str, "Plain"] | None


@dataclass(frozen=True)
class Node:
    """A value with the line on which it, or the key before it, stands."""

    value: str | int | float | bool | list[Node] | dict[str, Node] | None
    line: int
    written: str = ""
    """A scalar as it was written, variables replaced."""

    def plain(self) -> Plain:
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def nearest(self, path: Path) -> Node:
        """The deepest node on *path*; parts of it that do not exist are passed over."""
        node = self
        for part in path:
            if isinstance(node.value, dict) and part in node.value:
                node = node.value[str(part)]
            elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
        return node


@dataclass(frozen=True)
class Problem:
    """Something that is wrong at *path*; *line* where it is known already, otherwise the line of the path."""

    path: Path
    message: str
    line: int | None = None
    unknown: str = ""
    """A name that does not exist, with the names that do: the nearest one is offered."""
    known: tuple[str, ...] = ()
    follows: Path = ()
    """Where a problem would be the cause of this one, which then is not worth saying."""


def escaped(value: Plain) -> Plain:
    """*value* written so that reading it again, with no variables at all, gives the same value."""
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, list):
        return [escaped(item) for item in value]
    if isinstance(value, dict):
        return {key: escaped(item) for key, item in value.items()}
    return value


def shown(text: str) -> str:
    """*text* short enough for a message, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:59]}…"
