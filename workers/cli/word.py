"""Who says something and why: the options of every command that a person answers for."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from models.base import SternwayError


def _login() -> str:
    """Raises :class:`~models.base.SternwayError` where the process's user has no name, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:  # OSError since Python 3.13
        raise SternwayError("nobody here knows your name, and it is recorded: say it with --by NAME") from error


def _not_blank(value: str) -> str:
    if not value.strip():
        raise typer.BadParameter("it is recorded, so it cannot be blank")
    return value


By = Annotated[
    str,
    typer.Option(
        help="Who you are; it is recorded.",
        default_factory=_login,
        show_default="your login name",
        callback=_not_blank,
    ),
]
Reason = Annotated[str, typer.Option(help="Why; it is recorded.")]
Why = Annotated[str, typer.Option(help="Why; it is recorded.", callback=_not_blank)]
