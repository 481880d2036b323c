"""How long a rollback takes and what the trouble costs meanwhile, for whoever approves the plan."""

from __future__ import annotations

from collections.abc import Sequence

from models.circumstances import Circumstances
from models.plan import Expectation, Lane, Wave


def expect(now: Circumstances, strategy: str, waves: Sequence[Wave]) -> Expectation:
    """*now*: of the service that the plan is named after."""
    history = now.durations.get(strategy)
    seconds = sum(max(map(_gates, wave.lanes), default=0.0) for wave in waves) if history is None else history
    failing = None if now.rate is None or now.failing is None else now.rate * now.failing
    return Expectation(
        seconds=seconds,
        from_history=history is not None,
        failed_requests=None if failing is None else failing * seconds,
        loss=now.loss.feared * seconds / 60,
        loss_known=now.loss.per_minute is not None,
    )


def _gates(lane: Lane) -> float:
    """Seconds that the gates take at least which stand before the last stage that moves traffic."""
    last = max((number for number, stage in enumerate(lane.stages) if stage.moves_traffic), default=0)
    return sum(stage.gate.seconds for stage in lane.stages[:last] if stage.gate)
