"""The release before: where a prevention may send copies or requests to, and where an incident would go back to."""

from __future__ import annotations

from datetime import datetime

from activities.analytics.store import Store
from activities.directory import Directory
from activities.rollback.circumstances import way_of
from activities.rollback.situation import situation
from activities.rollback.survey import recollections
from activities.rollback.target import Way
from models.assessment import Assessment
from models.said import Said
from models.scope import Scope
from models.service_state import ServiceState
from models.survey import Survey


async def way_before(
    directory: Directory, store: Store, state: ServiceState, scope: Scope, now: datetime
) -> Way | None:
    """None where the store does not say which releases are held."""
    remembered = await recollections(store, [scope.service], scope.region)
    if not remembered:
        return None
    assessment = Assessment(survey=Survey(recollections=remembered))
    found = situation(scope.service, [state], assessment, Said(began_at=now), now)
    return way_of(await directory.catalog(scope), found.subjects[scope.service], now)
