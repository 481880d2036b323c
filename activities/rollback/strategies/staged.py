"""Staged: several services in waves, each by a strategy of its own, with a barrier between the waves.

| stage | passes when | undone by |
|---|---|---|
| a wave for each level: the services' own stages | all have passed | the last wave first, if healthier |
| the last wave: every bad release is retired | ready = 0 | the replicas before, ready before any weight returns |

What others depend on goes first (:mod:`activities.rollback.order`). No bad release is retired before the last service
has passed, so that the point of no return is the last wave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile

from models.plan import Lane, Wave
from models.stage import Stage

NAME = "staged"


def in_waves(stages: Mapping[str, tuple[Stage, ...]], levels: Sequence[Sequence[str]]) -> tuple[Wave, ...]:
    """*stages*: by service, as its own strategy has them. *levels*: services, in the order in which they go back."""
    before = {service: tuple(takewhile(_can_go_back, found)) for service, found in stages.items()}
    after = {service: found[len(before[service]) :] for service, found in stages.items()}
    waves = [_wave(before, level) for level in levels]
    last = _wave(after, [service for level in levels for service in level])
    return (*waves, last) if last.lanes else tuple(waves)


def _can_go_back(stage: Stage) -> bool:
    return not stage.point_of_no_return


def _wave(stages: Mapping[str, tuple[Stage, ...]], services: Sequence[str]) -> Wave:
    return Wave(lanes=tuple(Lane(service=service, stages=stages[service]) for service in services if stages[service]))
