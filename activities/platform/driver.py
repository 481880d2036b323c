"""What Sternway asks of a deploy target: replicas of releases, with receipts, and the history of deployments.

Fields of a platform resource:

- ``replicas/<release>``: the number wanted.
- ``frozen``: true while nobody may deploy the service in this region, absent otherwise. Replicas can still be changed:
  whoever has frozen it is at work.
- ``restarted/<release>``: when somebody last asked for a replica of it to be replaced by a new one; absent where nobody
  has. Each change of it replaces one more, the one that has run longest, and the new one serves before the old one is
  drained. A replica that is to go is not counted as ready. Undoing keeps what has not been replaced yet, and replaces
  nothing back. A driver whose platform can only replace all of them, one after the other, says so.

Where something else changes the number of replicas by itself (an autoscaler, GitOps), the driver holds it off in the
same change, or refuses the change and says what to do.
"""

from __future__ import annotations

from typing import Protocol

from models.base import Frozen, Release
from models.deployment import Deployment
from models.identity import Key
from models.receipt import Fence, Fields, Receipt


class Workload(Frozen):
    """One service's replicas in one region, read back."""

    generation: int
    state: Fields
    replicas: dict[str, int]
    """Wanted, by release."""
    ready: dict[str, int]
    """Ready to serve, by release."""
    deployments: tuple[Deployment, ...]
    """Newest first."""
    runnable: tuple[Release, ...] | None = None
    """The releases that the platform knows how to run. That what they need is still there is not looked at. None: it
    cannot say."""


class Platform(Protocol):
    """Raises :class:`~activities.driver.Refused`, ``Moved`` or ``Unavailable``; see there what each means."""

    async def read(self, region: str, service: str) -> Workload: ...

    async def change(self, key: Key, region: str, service: str, fields: Fields, expected: int | None) -> Receipt:
        """Want these numbers of replicas. Answers once that is durable, not once they are ready: a gate sees to that.

        A repeat of the same key returns the first receipt and changes nothing.
        """
        ...

    async def undo(self, key: Key, region: str, service: str) -> Receipt:
        """Take back the change that *key* (of the *do*) made, if it is still ours; fence the key if it never came."""
        ...

    async def receipts(self, incident: str) -> tuple[Receipt, ...]:
        """What was changed for the incident, and taken back, oldest first. A receipt's resource reads
        ``region/service``."""
        ...

    async def fence(self, incident: str) -> Fence:
        """Refuse every new change of the incident from now on.

        A repeat of a change that was made still gets its first receipt, and undoing stays possible.
        """
        ...
