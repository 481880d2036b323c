"""What Sternway asks of a mesh: read the routing of a service, change it with a receipt, take the change back.

Fields of a mesh resource:

- ``weight/<release>``: percent of the requests, 0 to 100; together they are 100, or 0.
- ``drain/<release>``: true while it takes no requests; only without weight and copies.
- ``mirror/<release>``: percent of the GET requests that it gets a copy of, 1 to 100; none where the field is absent.
  Copies are sent once, nobody waits for them and nobody sees their answers. They need no weight. A release that has
  weight as well gets them on top of its share, so they take part of its limits and of its health. What a fallback
  answers is not copied. Telemetry counts copies for the release and never for the users.
"""

from __future__ import annotations

from typing import Protocol

from models.base import Frozen
from models.identity import Key
from models.receipt import Fence, Fields, Receipt


class Routing(Frozen):
    """One service's routing in one region, read back."""

    generation: int
    """Of the intent. Leases do not move it."""
    state: Fields
    weights: dict[str, int]
    draining: tuple[str, ...]
    missing: tuple[str, ...]
    """Expected proxies that have not acknowledged this generation."""


class Mesh(Protocol):
    """Raises :class:`~activities.driver.Refused`, ``Moved`` or ``Unavailable``; see there what each means."""

    async def read(self, service: str) -> Routing: ...

    async def change(self, key: Key, service: str, fields: Fields, expected: int | None) -> Receipt:
        """Make *fields* so, if the generation is still *expected*; answers once every expected proxy has it.

        A repeat of the same key returns the first receipt and changes nothing.
        """
        ...

    async def undo(self, key: Key, service: str) -> Receipt:
        """Take back the change that *key* (of the *do*) made, if it is still ours; fence the key if it never came."""
        ...

    async def receipts(self, incident: str) -> tuple[Receipt, ...]:
        """What was changed for the incident, and taken back, oldest first. A receipt's resource is the
        service's name."""
        ...

    async def fence(self, incident: str) -> Fence:
        """Refuse every new change of the incident from now on, and lift and refuse its leases.

        A repeat of a change that was made still gets its first receipt, and undoing stays possible.
        """
        ...
