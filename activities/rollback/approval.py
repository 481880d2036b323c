"""Where a person must approve before a rollback goes on: the stages of a plan that wait for it, by the policy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from models.catalog import RollbackPolicy
from models.stage import Stage


def with_approvals(stages: Sequence[Stage], policy: RollbackPolicy) -> tuple[Stage, ...]:
    """*stages* of one service, those marked that the policy names a person for."""
    names = set(_asked(stages, policy))
    return tuple(stage.model_copy(update={"approval": True}) if stage.name in names else stage for stage in stages)


def _asked(stages: Sequence[Stage], policy: RollbackPolicy) -> Iterator[str]:
    if "traffic" in policy.approve_before:
        yield from [stage.name for stage in stages if stage.moves_traffic][:1]
    if "point-of-no-return" in policy.approve_before:
        yield from (stage.name for stage in stages if stage.point_of_no_return)
