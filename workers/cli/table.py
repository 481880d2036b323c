"""Tables for people, as the commands print them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


PIPE = 10_000
"""Columns that a table may have where nobody's terminal bounds it."""


def table_of(*columns: str) -> Table:
    """Without a head where no column has a name."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=any(columns))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "incident")  # an id is there to be copied
    return table


def show_parts(*parts: object) -> None:
    """As wide as the terminal or ``COLUMNS`` says, and for a pipe as wide as it is: a line there is one entry."""
    from rich.console import Console

    console = Console(markup=False)  # reasons and names are what others wrote
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(markup=False, width=PIPE)
    for part in parts:
        console.print(part)


def ago(time: str | datetime) -> str:
    """How long ago *time* was; as text it is ISO 8601."""
    at = datetime.fromisoformat(time) if isinstance(time, str) else time
    seconds = int((datetime.now(UTC) - at).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
