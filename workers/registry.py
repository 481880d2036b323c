"""Which workflows and activities a process runs: everything that Temporal may ask of a worker is listed here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from temporalio.client import Client

from activities.analytics.activities import AnalyticsActivities
from activities.analytics.store.engine import Store
from activities.breaker.activities import BreakerActivities
from activities.breaker.trips import TripActivities
from activities.directory import Directory
from activities.mesh.activities import MeshActivities
from activities.platform.activities import PlatformActivities
from activities.predictor.activities import PredictorActivities
from activities.prevention.activities import PreventionActivities
from activities.propagation.activities import PropagationActivities
from activities.rollback.activities import RollbackActivities
from activities.rollback.locking import LockActivities
from workflows.incident import IncidentWorkflow
from workflows.lock import ServiceLockWorkflow
from workflows.prevention import PreventionWorkflow
from workflows.rollback import RollbackWorkflow

Activities = list[Callable[..., Any]]

WORKFLOWS = (IncidentWorkflow, RollbackWorkflow, ServiceLockWorkflow, PreventionWorkflow)


def local_activities(directory: Directory, client: Client) -> Activities:
    """What runs in the very process that runs the workflow, the gateway's too: protection, and a look at a lock."""
    return [BreakerActivities(directory).protect, LockActivities(client).holder_runs]


def regional_activities(directory: Directory, store: Store, client: Client) -> Activities:
    """What the pool of a region runs, for its own region and, as a peer, for others."""
    analytics = AnalyticsActivities(directory, store)
    breaker = BreakerActivities(directory)
    trips = TripActivities(directory, store)
    mesh = MeshActivities(directory)
    platform = PlatformActivities(directory)
    prevention = PreventionActivities(directory, store, client)
    rollback = RollbackActivities(directory, store)
    return [
        analytics.observe,
        analytics.soak,
        analytics.compare,
        analytics.record,
        breaker.renew,
        breaker.release,
        trips.watch,
        trips.trip,
        trips.restore,
        mesh.change,
        mesh.undo,
        mesh.routed,
        mesh.drained,
        platform.change,
        platform.undo,
        platform.ready,
        PredictorActivities(directory).project,
        prevention.measures,
        prevention.incident,
        prevention.raise_alert,
        PropagationActivities(directory).spread,
        rollback.survey,
        rollback.plan,
        rollback.precheck,
        rollback.read_back,
        rollback.decide,
        LockActivities(client).lock,
    ]
