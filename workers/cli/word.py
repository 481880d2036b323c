"""Who says something and why: the options of every command that a person answers for."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer


def _not_blank(value: str) -> str:
    if not value.strip():
        raise typer.BadParameter("it is recorded, so it cannot be blank")
    return value


By = Annotated[
    str,
    typer.Option(
        help="Who you are; it is recorded.",
        default_factory=getpass.getuser,
        show_default="your login name",
        callback=_not_blank,
    ),
]
Reason = Annotated[str, typer.Option(help="Why; it is recorded.")]
Why = Annotated[str, typer.Option(help="Why; it is recorded.", callback=_not_blank)]
