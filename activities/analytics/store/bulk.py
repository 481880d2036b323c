"""Inserting thousands of rows while others wait for the lock: the transaction does nothing but write.

Values are bound beforehand, and many rows go in one statement. SQLite is otherwise handed row by row, and after each
the thread waits for its turn in the interpreter: ten thousand rows held the lock five times as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table

from activities.analytics.store.engine import Store

Bound = tuple[Any, ...]
"""The values of one row as the driver takes them."""

ROWS_IN_ONE_STATEMENT = 500
"""Of 16 columns these are 8,000 parameters; 32,766 is the lower bound of both engines."""


def bind(store: Store, table: Table, rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> list[Bound]:
    """The values of *rows* in the order of *columns*. Does not touch the store, and may take its time."""
    dialect = store.engine.dialect
    processors = [table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in columns]
    return [
        tuple(process(row[name]) if process else row[name] for name, process in zip(columns, processors, strict=True))
        for row in rows
    ]


def insert_bound(connection: Connection, table: Table, rows: Sequence[Bound], columns: Sequence[str]) -> None:
    """Insert what :func:`bind` has bound for these *columns*."""
    placeholder = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    names = ", ".join(columns)
    one = f"({', '.join([placeholder] * len(columns))})"
    for chunk in _chunks(rows):
        statement = f"INSERT INTO {table.name} ({names}) VALUES {', '.join([one] * len(chunk))}"  # noqa: S608 -- names of ours
        connection.exec_driver_sql(statement, tuple(value for row in chunk for value in row))


def _chunks(rows: Sequence[Bound]) -> Iterator[list[Bound]]:
    left = iter(rows)
    while chunk := list(islice(left, ROWS_IN_ONE_STATEMENT)):
        yield chunk
