"""What must hold between the parts of a catalog, beyond the form of each: every name leads somewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from models.catalog import Defaults, Driver, FallbackAction, Level, MeshShedding, OnPoolLoss, Policy, Region, Service
from models.catalog_tree import Path, Problem

Module = Literal["mesh", "platform", "telemetry"]
MODULES: Final[tuple[Module, ...]] = ("mesh", "platform", "telemetry")

DRIVER_KINDS: Final[Mapping[Module, tuple[str, ...]]] = MappingProxyType(
    {
        "mesh": ("envoy",),
        "platform": ("kubernetes", "local"),
        "telemetry": ("envoy", "prometheus"),
    }
)
"""The kinds of drivers that there are. A new driver is entered here."""

TIERS: Final = (1, 2, 3, 4)

LONGEST_WAIT: Final = 1500
"""Times the lease, if it is the only one: each renewal takes eleven events of the incident's history, and Temporal ends
one at 51,200."""


@dataclass(frozen=True)
class Draft:
    """A catalog as far as its form could be read. ``None``: the name is taken, but what it holds is unreadable."""

    regions: Mapping[str, Region | None]
    services: Mapping[str, Service | None]
    policies: Mapping[str, Policy | None]
    defaults: Defaults
    tiers: tuple[int, ...]


def check(draft: Draft) -> Iterator[Problem]:
    """Everything that does not fit together, in the order of the catalog's parts."""
    yield from _drivers(draft)
    yield from _namespaces(draft)
    yield from _peers(draft)
    for name, service in draft.services.items():
        if service is not None:
            yield from _regions(draft, name, service)
            yield from _served(draft, name, service)
            yield from _related(draft, name, service)
            yield from _policy(draft, name, service)
            yield from _releases(name, service)
    yield from _ports(draft)
    yield from _cycles(draft)
    yield from _holds(draft)
    yield from _preventions(draft)
    if draft.defaults.policy is not None and draft.defaults.policy not in draft.policies:
        yield _unknown(("defaults", "policy"), "defaults name the policy", draft.defaults.policy, draft.policies)
    for tier in draft.tiers:
        if tier not in TIERS:
            yield Problem(("tiers", str(tier)), f"there is no tier {tier}; tiers are 1 to 4")


def _unknown(path: Path, says: str, name: str, known: Mapping[str, object]) -> Problem:
    return Problem(path, f'{says} "{name}", which is not defined', unknown=name, known=tuple(known))


def _drivers(draft: Draft) -> Iterator[Problem]:
    for region_name, region in draft.regions.items():
        for module in MODULES if region is not None else ():
            drivers: dict[str, Driver] = getattr(region, module)
            for name, driver in drivers.items():
                path = ("regions", region_name, module, name)
                kinds = DRIVER_KINDS[module]
                if driver.kind not in kinds:
                    what = f'there is no {module} driver of the kind "{driver.kind}"; there is {_listed(kinds)}'
                    yield Problem((*path, "kind"), what, unknown=driver.kind, known=kinds)
                elif _embedded(module, driver) and not driver.proxies:
                    what = (
                        f'the mesh "{name}" of region "{region_name}" names no proxy: without "proxies" nobody could '
                    )
                    yield Problem(path, f"{what}confirm a change")


def _embedded(module: Module, driver: Driver) -> bool:
    return module == "mesh" and driver.kind == "envoy"


def _namespaces(draft: Draft) -> Iterator[Problem]:
    """What runs in a namespace does not say of which region it is."""
    taken: dict[tuple[str, str], str] = {}
    for region_name, region in draft.regions.items():
        for name, driver in region.platform.items() if region is not None else ():
            if driver.kind != "kubernetes":
                continue
            other = taken.setdefault((driver.url, driver.namespace), region_name)
            if other != region_name:
                both = f'regions "{other}" and "{region_name}" both have the namespace "{driver.namespace}"'
                yield Problem(("regions", region_name, "platform", name), f"{both} of {driver.url}; each needs its own")


def _peers(draft: Draft) -> Iterator[Problem]:
    for name, region in draft.regions.items():
        if region is None:
            continue
        if region.on_pool_loss is OnPoolLoss.PEER and not region.peers:
            what = f'region "{name}" wants a peer to act when its pool is lost, but has no "peers"'
            yield Problem(("regions", name, "on_pool_loss"), what)
        for position, peer in enumerate(region.peers):
            path = ("regions", name, "peers", position)
            if peer == name:
                yield Problem(path, f'region "{name}" is named as its own peer')
            elif peer not in draft.regions:
                yield _unknown(path, f'region "{name}" has the peer', peer, draft.regions)


def _regions(draft: Draft, name: str, service: Service) -> Iterator[Problem]:
    for position, region in enumerate(service.regions):
        path = ("services", name, "regions", position)
        if region not in draft.regions:
            yield _unknown(path, f'service "{name}" runs in the region', region, draft.regions)
        elif region in service.regions[:position]:
            yield Problem(path, f'service "{name}" names the region "{region}" twice')


def _served(draft: Draft, name: str, service: Service) -> Iterator[Problem]:
    for module in MODULES:
        own: str | None = getattr(service, module)
        driver: str | None = own or getattr(draft.defaults, module)
        if driver is None:
            what = f'service "{name}" names no {module}, and "defaults" names none either; add "{module}: NAME"'
            yield Problem(("services", name, module), what, follows=("defaults", module))
            continue
        path = ("services", name, module) if own else ("defaults", module)
        says = f'service "{name}" uses' if own else "defaults use"
        for region_name in service.regions:
            region = draft.regions.get(region_name)
            if region is None:
                continue
            there: dict[str, Driver] = getattr(region, module)
            if driver not in there:
                what = f'{says} the {module} "{driver}", which region "{region_name}" does not define'
                yield Problem(path, what, unknown=driver, known=tuple(there))


def _related(draft: Draft, name: str, service: Service) -> Iterator[Problem]:
    for position, needed in enumerate(service.depends_on):
        path = ("services", name, "depends_on", position)
        if needed == name:
            yield Problem(path, f'service "{name}" depends on itself')
        elif needed not in draft.services:
            yield _unknown(path, f'service "{name}" depends on', needed, draft.services)
        elif needed in service.depends_on[:position]:
            yield Problem(path, f'service "{name}" names the dependency "{needed}" twice')
    for position, other in enumerate(service.released_with):
        path = ("services", name, "released_with", position)
        if other == name:
            yield Problem(path, f'service "{name}" is released with itself')
        elif other not in draft.services:
            yield _unknown(path, f'service "{name}" is released with', other, draft.services)
    if service.fallback is None:
        return
    path = ("services", name, "fallback")
    if service.fallback == name:
        yield Problem(path, f'service "{name}" is named as its own fallback')
    elif service.fallback not in draft.services:
        yield _unknown(path, f'service "{name}" falls back to', service.fallback, draft.services)
    else:
        other = draft.services[service.fallback]
        missing = [region for region in service.regions if other and region not in other.regions]
        if missing:
            what = f'service "{name}" falls back to "{service.fallback}", which does not run in {_listed(missing)}'
            yield Problem(path, f"{what}: a fallback must run wherever the service does")


def _holds(draft: Draft) -> Iterator[Problem]:
    for name, policy in draft.policies.items():
        if policy is None:
            continue
        approvals = 1 + len(set(policy.rollback.approve_before))
        leases = 1 + len(policy.breakers.tiers if policy.breakers else ())
        waits, longest = approvals * policy.approval_timeout + policy.hold_timeout, LONGEST_WAIT * policy.lease / leases
        if waits > longest:
            field = "hold_timeout" if policy.hold_timeout >= policy.approval_timeout else "approval_timeout"
            times = "an approval" if approvals == 1 else f"each of {approvals} approvals"
            what = (
                f'policy "{name}" waits {policy.approval_timeout:g} s for {times} and is then held for '
                f"{policy.hold_timeout:g} s; {_leases(leases)} of {policy.lease:g} s can be"
            )
            yield Problem(("policies", name, field), f"{what} renewed for {longest:g} s at most")


def _leases(number: int) -> str:
    return "its lease" if number == 1 else f"its {number} leases, with those of its breakers,"


def _preventions(draft: Draft) -> Iterator[Problem]:
    """What a prevention may do must be possible by the rest of its policy."""
    for name, policy in draft.policies.items():
        if policy is None or policy.prevention is None:
            continue
        path = ("policies", name, "prevention")
        shed = policy.breakers.shed if policy.breakers else None
        if policy.prevention.shed is not None and shed is None:
            what = f'policy "{name}" lets a prevention shed, but "breakers" has no "shed" that says how'
            yield Problem((*path, "shed"), what)
        elif policy.prevention.shed is not None and isinstance(shed, MeshShedding) and shed.max_requests is None:
            what = f'policy "{name}" lets a prevention shed at the proxies, before anything is saturated: nobody knows '
            yield Problem(
                (*path, "shed"), f'{what}how many requests to let through; "breakers.shed" needs "max_requests"'
            )
        if policy.prevention.roll_back and policy.level is Level.ADVISE:
            what = f'policy "{name}" lets a prevention begin a rollback, but its level "advise" lets no incident do one'
            yield Problem((*path, "roll_back"), what)


def _policy(draft: Draft, name: str, service: Service) -> Iterator[Problem]:
    if service.policy is not None and service.policy not in draft.policies:
        yield _unknown(("services", name, "policy"), f'service "{name}" has the policy', service.policy, draft.policies)
        return
    policy_name = service.policy or draft.defaults.policy or ""
    policy = draft.policies.get(policy_name)
    if policy and isinstance(policy.protect, FallbackAction) and service.fallback is None:
        what = f'service "{name}" has the policy "{policy_name}", which routes to a fallback, but names no "fallback"'
        yield Problem(("services", name, "policy"), what)


def _releases(name: str, service: Service) -> Iterator[Problem]:
    for position, release in enumerate(service.releases):
        if release in service.releases[:position]:
            path = ("services", name, "releases", position)
            yield Problem(path, f'service "{name}" names the release "{release}" twice')
        if release in service.incompatible:
            path = ("services", name, "incompatible", service.incompatible.index(release))
            what = f'service "{name}" calls the release "{release}" known to work, and incompatible'
            yield Problem(path, f'{what}; leave it away in "releases" or in "incompatible"')


def _ports(draft: Draft) -> Iterator[Problem]:
    """Each Envoy listens once for each of its services."""
    taken: dict[tuple[str, str, int], str] = {}
    without: set[str] = set()
    clashes: set[tuple[str, str]] = set()
    for name, service in draft.services.items():
        for region in service.regions if service is not None else ():
            mesh = _mesh(draft, region, service)
            if service is None or mesh is None or not _embedded("mesh", mesh[1]):
                continue
            if service.port is None:
                if name not in without:
                    what = f'service "{name}" needs a "port": the embedded mesh listens on it for the callers'
                    yield Problem(("services", name, "port"), what)
                without.add(name)
                continue
            other = taken.setdefault((region, mesh[0], service.port), name)
            if other != name and (name, other) not in clashes:
                clashes.add((name, other))
                what = f'services "{other}" and "{name}" both have the port {service.port}; each needs its own'
                yield Problem(("services", name, "port"), what)


def _mesh(draft: Draft, region: str, service: Service | None) -> tuple[str, Driver] | None:
    found = draft.regions.get(region)
    name = (service.mesh if service else None) or draft.defaults.mesh
    if found is None or name is None or name not in found.mesh:
        return None
    return name, found.mesh[name]


def _cycles(draft: Draft) -> Iterator[Problem]:
    """Each service is named in one cycle at most: the others show once that one is cut."""
    edges = {
        name: tuple(n for n in service.depends_on if n in draft.services and n != name) if service else ()
        for name, service in draft.services.items()
    }
    seen: set[str] = set()
    reported: set[str] = set()
    for start in edges:
        if start in seen:
            continue
        seen.add(start)
        way: dict[str, Iterator[str]] = {start: iter(edges[start])}
        while way:
            here = next(reversed(way))
            following = next(way[here], None)
            if following is None:
                del way[here]
            elif following in way:
                if here in reported or following in reported:
                    continue
                names = list(way)
                cycle = names[names.index(following) :]
                reported.update(cycle)
                what = " → ".join((*cycle, following))
                yield Problem(("services", here, "depends_on", following), f"the dependencies go in a circle: {what}")
            elif following not in seen:
                seen.add(following)
                way[following] = iter(edges[following])


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
