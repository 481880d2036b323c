"""The catalog that an incident began with, found by its digest: the process's own, or an older one from the store."""

from __future__ import annotations

from collections.abc import Callable

from models.base import SternwayError
from models.catalog import Catalog
from models.catalog_file import LoadedCatalog, parse

Recall = Callable[[str], str | None]
"""The text of a catalog by its digest; none where the store does not know it."""


class UnknownCatalog(SternwayError):
    """No catalog has that digest."""


class Catalogs:
    """Holds every catalog that was asked for; there are as many as versions with open incidents."""

    def __init__(self, current: LoadedCatalog, recall: Recall) -> None:
        self._known = {current.digest: current.catalog}
        self._recall = recall

    def known(self, digest: str) -> Catalog | None:
        """The catalog if it is at hand, which that of a new incident always is."""
        return self._known.get(digest)

    def get(self, digest: str) -> Catalog:
        """Raises :class:`UnknownCatalog`. May ask the store, so call it off the event loop."""
        if digest not in self._known:
            text = self._recall(digest)
            if text is None:
                raise UnknownCatalog(
                    f"the catalog {digest}, with which this incident began, is neither this process's own nor in the "
                    "store: give the store back, or abort the incident"
                )
            recalled = parse(text, f"catalog {digest}", {})
            if recalled.digest != digest:
                raise UnknownCatalog(
                    f"the store's text of the catalog {digest} is that of {recalled.digest}, and nothing is done by "
                    "another catalog than the incident began with: put the text back, or abort the incident"
                )
            self._known[digest] = recalled.catalog
        return self._known[digest]
