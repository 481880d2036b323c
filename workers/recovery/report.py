"""What an undoing came to, for people and machines."""

from __future__ import annotations

from collections.abc import Sequence

from models.base import Frozen, SternwayError
from workers.recovery.effects import Effect
from workers.recovery.undoing import Taken, Undoing

STANDS = {"in-effect": "still in effect", "superseded": "somebody else changed it in the meantime"}


class UndoneChange(Frozen):
    """One line of the report."""

    where: str
    """The control plane."""
    change: str
    """What undoing it makes of the fields."""
    came: str
    """``restored``, ``already`` undone, ``superseded`` by somebody else, or ``failed``."""
    sentence: str


class Report(Frozen):
    """What ``sternway undo`` prints with ``--json``."""

    incident: str
    step: str | None
    """The only one that was to be taken back; None: all."""
    as_before: bool
    """Everything that the incident, or the step, had changed is as it was before."""
    changes: tuple[UndoneChange, ...]
    """Those that this run took back, or tried to."""
    left: tuple[str, ...]
    """What is not as it was before, and why."""
    lifted: tuple[str, ...]
    """Leases of its protection."""
    recorded: str
    """Whether the store knows it by now."""


def line(taken: Taken) -> UndoneChange:
    return UndoneChange(
        where=taken.effect.plane, change=taken.effect.describe(), came=taken.came, sentence=taken.sentence
    )


async def left(undoing: Undoing, changes: Sequence[UndoneChange]) -> tuple[str, ...]:
    """What is not as it was before: looked at anew, and not worked out from what was done."""
    failed = [f"{line.where}: {line.change}: {line.sentence}" for line in changes if line.came == "failed"]
    try:
        await undoing.look()
    except SternwayError as away:
        return (*failed, str(away))
    stands = [_sentence(effect, STANDS[effect.standing]) for effect in undoing.meant if effect.standing in STANDS]
    return (*failed, *stands, *await undoing.unconfirmed())


def _sentence(effect: Effect, standing: str) -> str:
    return f"{effect.plane}: {effect.describe()}: {standing}"
