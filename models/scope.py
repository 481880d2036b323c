"""Where an activity works: every argument of an activity is a scope and what it needs besides."""

from __future__ import annotations

from models.base import Frozen


class Scope(Frozen):
    """One service in one region, for one incident, by the catalog that the incident began with."""

    incident: str
    region: str
    service: str
    catalog: str
    """Digest."""

    def at(self, service: str) -> Scope:
        """The same for another service of the incident's region."""
        return Scope(incident=self.incident, region=self.region, service=service, catalog=self.catalog)
