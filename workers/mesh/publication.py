"""What is wanted, what proxies have refused of it, and what is served instead: the version that was good before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from models.base import Frozen
from workers.mesh.resource import Resource, ResourceKey


class Refusal(Frozen):
    """A wanted version that a proxy refused. It is not served again, to anybody."""

    proxy: str
    kind: str
    name: str
    version: str
    error: str


class Publication:
    """Rejections are remembered by version, so that anything that changes the resource is another attempt."""

    def __init__(self, good: Iterable[Resource] = ()) -> None:
        self._wanted: dict[ResourceKey, Resource] = {}
        self._good = {r.key: r for r in good}
        self._refused: dict[ResourceKey, dict[str, Refusal]] = {}

    def want(self, resources: Iterable[Resource]) -> None:
        self._wanted = {r.key: r for r in resources}
        self._refused = {k: r for k, r in self._refused.items() if k in self._wanted}

    def served(self) -> list[Resource]:
        """Every wanted resource, or the last good one where the wanted one was refused; nothing where none was good."""
        chosen = (self._good.get(k) if r.version in self._refused.get(k, {}) else r for k, r in self._wanted.items())
        return [r for r in chosen if r is not None]

    def confirm(self, resources: Iterable[Resource]) -> None:
        self._good.update({r.key: r for r in resources})

    def refuse(self, proxy: str, versions: Mapping[ResourceKey, str], error: str) -> None:
        for key, version in versions.items():
            refusal = Refusal(proxy=proxy, kind=key.kind.message, name=key.name, version=version, error=error)
            if key in self._good and self._good[key].version == version:
                continue  # another proxy has confirmed it: what stands in this one's way is its own
            self._refused.setdefault(key, {})[version] = refusal

    def refusals(self) -> tuple[Refusal, ...]:
        """Of what is wanted now."""
        return tuple(
            versions[self._wanted[key].version]
            for key, versions in self._refused.items()
            if self._wanted[key].version in versions
        )

    def good(self) -> list[Resource]:
        """The last confirmed version of everything that is wanted."""
        return [self._good[key] for key in self._wanted if key in self._good]
