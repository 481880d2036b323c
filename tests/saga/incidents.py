"""Incidents in the small real world: begun, looked at, and waited for."""

from __future__ import annotations

from datetime import UTC, datetime

from temporalio.client import WorkflowHandle
from ulid import ULID

from models.alert import Severity
from models.catalog import Level
from models.catalog_file import LoadedCatalog
from models.incident import Approval, Coordination, IncidentResult, IncidentStart, IncidentState, Modules
from models.queues import WORKFLOWS as NEUTRAL
from tests.saga.conftest import Rollbacks
from tests.waiting import until
from workers.local.world import REGION
from workers.worker import TASK_TIMEOUT
from workflows.incident import IncidentWorkflow

Incident = WorkflowHandle[IncidentWorkflow, IncidentResult]
SOMEBODY = Approval(by="a test", reason="to see what happens")


async def start(
    rollbacks: Rollbacks,
    level: Level = Level.FULL,
    severity: Severity = Severity.CRITICAL,
    coordination: Coordination = Coordination.ADAPTIVE,
    modules: Modules | None = None,
    catalog: LoadedCatalog | None = None,
    workflow: str | None = None,
) -> Incident:
    """*workflow*: its id, where others are to find it."""
    world, id = rollbacks.world, str(ULID())
    catalog = catalog or world.catalog
    argument = IncidentStart(
        incident=id,
        region=REGION,
        service="payments",
        severity=severity,
        level=level,
        coordination=coordination,
        modules=modules or Modules(),
        catalog=catalog.digest,
        policy=catalog.catalog.policy_of("payments"),
        received_at=datetime.now(UTC),
        reason="a test",
    )
    return await rollbacks.client.start_workflow(
        IncidentWorkflow.run,
        argument,
        id=workflow or f"incident:eu:payments:{id}",
        task_queue=NEUTRAL,
        task_timeout=TASK_TIMEOUT,
    )


async def state(incident: Incident) -> IncidentState:
    return await incident.query(IncidentWorkflow.state)


async def until_phase(incident: Incident, phase: str) -> None:
    async def there() -> bool:
        return (await state(incident)).phase == phase

    await until(there, 40, f"the incident is {phase}")
