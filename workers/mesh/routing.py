"""What a service's fields mean: shares and copies of the releases, what drains, and what a lease makes of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from models.catalog import Service
from models.receipt import Fields

WEIGHT = "weight/"
DRAIN = "drain/"
MIRROR = "mirror/"


def releases(service: Service, fields: Fields, found: Iterable[str]) -> tuple[str, ...]:
    """Every release that needs a cluster: the catalog's in its order, then those of the fields and of replicas."""
    named = (name.partition("/")[2] for name in fields)
    others = set(named) | set(found)
    return (*service.releases, *sorted(others - set(service.releases)))


def weights(service: Service, fields: Fields, found: Iterable[str]) -> dict[str, int]:
    """Shares by release. Nobody has set any yet: all goes to the catalog's newest release, or to the only one found."""
    known = releases(service, fields, found)
    stated = {name.removeprefix(WEIGHT): v for name, v in fields.items() if name.startswith(WEIGHT)}
    if not stated:
        return {release: 100 if index == 0 else 0 for index, release in enumerate(known)}
    return {release: int(stated.get(release) or 0) for release in known}


def mirrored(fields: Fields) -> dict[str, int]:
    """Percent of the GET requests of which a copy is sent, by release."""
    return {name.removeprefix(MIRROR): int(v) for name, v in sorted(fields.items()) if name.startswith(MIRROR) and v}


def draining(fields: Fields) -> tuple[str, ...]:
    return tuple(sorted(name.removeprefix(DRAIN) for name, v in fields.items() if name.startswith(DRAIN) and v))


def drained(fields: Fields, shares: Mapping[str, int]) -> frozenset[str]:
    """The releases whose endpoints are told to drain: one that still has a share would fail all of it."""
    return frozenset(release for release in draining(fields) if not shares.get(release))


def capped(shares: Mapping[str, int], newest: str, percent: int, able: frozenset[str]) -> dict[str, int]:
    """*shares* with at most *percent* for *newest*; the rest goes to the other *able* releases, in proportion.

    Unchanged where no other release is able: a share of nothing fails. Largest remainders keep the sum at 100.
    """
    others = {r: w for r, w in shares.items() if r != newest and r in able}
    if shares.get(newest, 0) <= percent or not others:
        return dict(shares)
    rest = 100 - percent
    if not any(others.values()):
        others = {release: int(index == 0) for index, release in enumerate(others)}
    total = sum(others.values())
    split = {release: rest * weight // total for release, weight in others.items()}
    by_remainder = sorted(others, key=lambda release: -(rest * others[release] % total))
    for release in by_remainder[: rest - sum(split.values())]:
        split[release] += 1
    return {release: percent if release == newest else split.get(release, 0) for release in shares}
