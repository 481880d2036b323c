"""Taking back what an incident has changed, through the control planes alone: no Temporal, no store, no pool.

It is fenced first, so that nobody who comes back in its name can change anything afterwards; then its changes are taken
back, the last one first, until one cannot be. Doing it again goes on where it stopped: every call is idempotent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from activities.driver import Refused, Unavailable
from models.base import SternwayError
from models.catalog import Catalog
from models.receipt import Fence, Outcome
from workers.recovery.effects import Effect, WayBack, effects, of_step, step_back, way_back
from workers.recovery.planes import Gathered, NotUndone, Place, Plane, gather, patiently, serves

Came = Literal["restored", "already", "superseded", "failed"]


class Unreachable(SternwayError):
    """A control plane that may have a part of the incident does not answer, so nothing was begun."""


@dataclass(frozen=True)
class Taken:
    """What became of one change."""

    effect: Effect
    came: Came
    sentence: str

    @property
    def over(self) -> bool:
        """Whether what was changed before it may be taken back."""
        return self.came in ("restored", "already")


class Undoing:
    """One incident's, or that of one *step* of it. *place*: where it is, as far as somebody other than the control
    planes knows."""

    def __init__(
        self, incident: str, catalog: Catalog, asked: Sequence[Plane], place: Place | None, step: str | None = None
    ) -> None:
        self.incident = incident
        self._step = step
        self._catalog = catalog
        self._asked = tuple(asked)
        self._by_name = {plane.name: plane for plane in asked}
        self._place = place
        self.found: tuple[Effect, ...] = ()
        """Every change of the incident, the last first, as it was looked at last."""
        self.away: dict[str, str] = {}
        """Control planes that did not answer, and why, which have nothing to do with where the incident is."""

    @property
    def meant(self) -> tuple[Effect, ...]:
        """The changes that should be as before in the end, the last first."""
        return self.found if self._step is None else of_step(self.found, self._step)

    @property
    def way(self) -> WayBack:
        """Raises :class:`~workers.recovery.effects.NotByItself`."""
        return way_back(self.found) if self._step is None else step_back(self.found, self._step)

    async def look(self) -> None:
        """Find out what it has changed. Raises :class:`Unreachable` where that cannot be known as a whole."""
        gathered = await gather(self._asked, self.incident)
        self.found = effects(gathered.receipts)
        self.away = dict(gathered.away)
        self._require_all(gathered)

    async def fence(self) -> tuple[Fence, ...]:
        """Let no control plane of where it is take anything new from it, then look again: a change may just have come.

        Raises :class:`Unreachable`.
        """
        try:
            fences = await asyncio.gather(*(patiently(partial(plane.fence, self.incident)) for plane in self._needed()))
        except (Unavailable, Refused) as no:
            raise Unreachable(f"the incident could not be fenced, so nothing was undone: {no}") from no
        await self.look()
        return tuple(fences)

    async def take_back(self) -> AsyncIterator[Taken]:
        """Every step of the way back, as it comes; none after one that is not over."""
        for effect in self.way.steps:
            taken = await self._take(effect)
            yield taken
            if not taken.over:
                return

    async def unconfirmed(self) -> tuple[str, ...]:
        """What the control planes want and somebody does not have yet, also from an earlier undoing. Missing data never
        passes: one that does not answer has not confirmed."""
        troubles: list[str] = []
        for name, place in sorted({(e.plane, self._place_of(e)) for e in self.meant}, key=str):
            try:
                missing = await patiently(partial(self._by_name[name].unconfirmed, place))
            except (Unavailable, Refused) as no:
                troubles.append(str(no))
            else:
                troubles += [f"{proxy} has not acknowledged {place.service} in {place.region}" for proxy in missing]
        return tuple(troubles)

    async def _take(self, effect: Effect) -> Taken:
        try:
            receipt = await patiently(partial(self._by_name[effect.plane].undo, effect.change))
        except (Unavailable, Refused, NotUndone) as no:
            return Taken(effect, "failed", str(no))
        if receipt.outcome is not Outcome.RESTORED:
            return Taken(effect, "superseded", "somebody else changed it in the meantime; left as it is")
        return Taken(effect, "already" if effect.undoing else "restored", "as it was before")

    def _require_all(self, gathered: Gathered) -> None:
        """Whoever is away may have the last change, which is to be undone first. Other regions' may be away."""
        away = [plane.name for plane in self._needed() if plane.name in gathered.away]
        missing = [f"{name}: {gathered.away[name]}" for name in away]
        if missing:
            raise Unreachable(
                f"what incident {self.incident} has changed cannot be known while a control plane is away that may "
                f"have a part of it; nothing was undone. Start it, then do this again. {'; '.join(missing)}"
            )

    def _needed(self) -> tuple[Plane, ...]:
        """The control planes that can have a part of it: those of its service and region; all, while nobody knows."""
        places = {self._place_of(effect) for effect in self.found}
        if self._place:
            places.add(self._place)
        if not places:
            return self._asked
        having = {effect.plane for effect in self.found}
        return tuple(
            plane
            for plane in self._asked
            if plane.name in having or any(serves(plane, place, self._catalog) for place in places)
        )

    def _place_of(self, effect: Effect) -> Place:
        return self._by_name[effect.plane].place(effect.change)
