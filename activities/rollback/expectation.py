"""How long a rollback takes and what the trouble costs meanwhile, for whoever approves the plan."""

from __future__ import annotations

from collections.abc import Sequence

from models.circumstances import Circumstances
from models.plan import Expectation, Wave
from models.stage import Stage


def expect(now: Circumstances, strategy: str, waves: Sequence[Wave]) -> Expectation:
    """*now*: of the service that the plan is named after."""
    history = now.durations.get(strategy)
    seconds = _limits(waves) if history is None else history
    failing = None if now.rate is None or now.failing is None else now.rate * now.failing
    return Expectation(
        seconds=seconds,
        from_history=history is not None,
        failed_requests=None if failing is None else failing * seconds,
        loss=now.loss.feared * seconds / 60,
        loss_known=now.loss.per_minute is not None,
    )


def _limits(waves: Sequence[Wave]) -> float:
    """Seconds after which the last stage that moves traffic has passed or failed, if nobody is waited for.

    A wave begins when every lane of the one before is through, with what comes after its traffic has moved.
    """
    begins, away = 0.0, 0.0
    for wave in waves:
        for lane in wave.lanes:
            if moving := [number for number, stage in enumerate(lane.stages) if stage.moves_traffic]:
                before, last = lane.stages[: moving[-1]], lane.stages[moving[-1]]
                away = max(away, begins + sum(map(_through, before)) + _checks(last))
        begins += max((sum(map(_through, lane.stages)) for lane in wave.lanes), default=0.0)
    return away


def _through(stage: Stage) -> float:
    """Seconds that its checks may take, and its gate with its extension."""
    return _checks(stage) + (stage.gate.seconds + stage.gate.extension if stage.gate else 0.0)


def _checks(stage: Stage) -> float:
    return sum(step.check.timeout for step in stage.steps if step.check)
