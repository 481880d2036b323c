"""What points and holds are held against: a service as its platform has it now. Reading needs no token."""

from __future__ import annotations

from datetime import datetime

from activities.directory import Directory
from activities.platform.driver import Workload
from activities.rollback.validation import check
from models.base import SternwayError
from models.catalog_file import LoadedCatalog
from models.point import RollbackPoint
from models.scope import Scope
from models.verdict import Finding, Verdict


def scope_of(loaded: LoadedCatalog, service: str, region: str) -> Scope:
    """Of no incident. Raises :class:`~models.base.SternwayError` where the catalog has no such service there."""
    known = loaded.catalog.services.get(service)
    if known is None or region not in known.regions:
        raise SternwayError(f"the catalog has no {service} in {region}")
    return Scope(incident="", region=region, service=service, catalog=loaded.digest)


async def look(directory: Directory, loaded: LoadedCatalog, service: str, region: str) -> Workload | SternwayError:
    """The service's replicas, or why they cannot be read."""
    try:
        platform = await directory.platform(scope_of(loaded, service, region))
        return await platform.read(region, service)
    except SternwayError as unread:
        return unread


def judge(point: RollbackPoint, found: Workload | SternwayError, now: datetime) -> Verdict:
    """Whether the point still holds. What could not be read leaves it open, unless its time is over."""
    if isinstance(found, Workload):
        return check(point, found.runnable, now)
    verdict = check(point, None, now)
    if not verdict.passed:
        return verdict
    return Verdict(finding=Finding.INCONCLUSIVE, sentence=f"it could not be checked: {found}")
