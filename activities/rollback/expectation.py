"""How long a rollback takes and what the trouble costs meanwhile, for whoever approves the plan."""

from __future__ import annotations

from collections.abc import Sequence

from models.circumstances import Circumstances
from models.plan import Expectation, Lane, Wave


def expect(now: Circumstances, strategy: str, waves: Sequence[Wave]) -> Expectation:
    """*now*: of the service that the plan is named after."""
    history = now.durations.get(strategy)
    seconds = sum(max(map(_limits, wave.lanes), default=0.0) for wave in waves) if history is None else history
    failing = None if now.rate is None or now.failing is None else now.rate * now.failing
    return Expectation(
        seconds=seconds,
        from_history=history is not None,
        failed_requests=None if failing is None else failing * seconds,
        loss=now.loss.feared * seconds / 60,
        loss_known=now.loss.per_minute is not None,
    )


def _limits(lane: Lane) -> float:
    """Seconds after which its last stage that moves traffic has passed or failed, if nobody is waited for: what its
    checks and the gates before it may take."""
    last = max((number for number, stage in enumerate(lane.stages) if stage.moves_traffic), default=-1)
    checks = [step.check.timeout for stage in lane.stages[: last + 1] for step in stage.steps if step.check]
    gates = [stage.gate.seconds + stage.gate.extension for stage in lane.stages[: max(0, last)] if stage.gate]
    return sum(checks) + sum(gates)
