"""A gate outlives the process that watches: one that stops hands it over at once, with the time that is left."""

from __future__ import annotations

import time

from temporalio import activity
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.polling import INTERVAL, watch
from models.verdict import Finding, Verdict
from tests.waiting import until
from tests.worker.slow_workflow import SlowWorkflow
from workers.deployment.joining import join
from workers.local.binaries import binary
from workers.worker import GRACE, build

QUEUE, BUILD = "gates", "tests"
TIMEOUT = 4.0


class Gate:
    """One that never passes; counts its looks by attempt."""

    def __init__(self) -> None:
        self.looks: dict[int, int] = {}

    @activity.defn(name="gate")
    async def watch(self) -> list[str]:
        attempt = activity.info().attempt

        async def look() -> Verdict:
            self.looks[attempt] = self.looks.get(attempt, 0) + 1
            return Verdict(finding=Finding.FAIL, sentence="not yet")

        return [(await watch(look, TIMEOUT, Finding.FAIL)).sentence]


async def test_a_gate_is_handed_over_at_once_and_ends_in_the_time_that_it_had() -> None:
    gate = Gate()
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=binary("temporal")) as environment:
        await join(environment.client, BUILD)

        def worker() -> Worker:
            return build(environment.client, QUEUE, BUILD, workflows=[SlowWorkflow], activities=[gate.watch])

        async with worker():
            handle = await environment.client.start_workflow(SlowWorkflow.run, "gate", id="gate", task_queue=QUEUE)
            await until(lambda: gate.looks.get(1, 0) * INTERVAL > TIMEOUT / 2, 20, "half the time is over")
            told = time.monotonic()
        stopped = time.monotonic() - told
        async with worker():
            said = await handle.result()

    assert stopped < GRACE.total_seconds() / 2
    assert said == [f"not yet (after {TIMEOUT:g} s)"]
    assert sorted(gate.looks) == [1, 2]
    assert gate.looks[2] * INTERVAL < TIMEOUT / 2 + 2 * INTERVAL
