"""Emergency: stop what makes it worse and go back at once, for when every minute costs more than care would save.

| stage | passes when | undone by |
|---|---|---|
| freeze: nobody deploys the service | - | letting them again |
| scale-target, switch, drain | as *immediate* | as *immediate* |
| or, without room for both: the shares of *gradual* | ready, then routed | as *gradual* |
| soak: the full validation, afterwards | objectives met | - |
| retire: the bad release to 0 | ready = 0 | the replicas before, ready before any weight returns |
| thaw: deploying is possible again | - | the freeze |

Where there is no room for both releases in full, the bad one gives up share by share what it does not need any more.
Nobody compares in between: that takes minutes, and is for when it is not sure that going back helps.

Several services go back side by side and not in waves. The load is shed by the incident's protection, which was taken
before anything was planned. It runs under a policy that allows it in advance, or by the word of a named person, and
takes the service over from a rollback of less urgency.

Point of no return: *retire*, as with *immediate*.
"""

from __future__ import annotations

from activities.rollback.strategies import gradual, immediate
from activities.rollback.strategies.stages import at_once, fits
from models.catalog import RollbackPolicy
from models.service_state import ServiceState
from models.stage import Compare, Freeze, Stage, StageStep

NAME = "emergency"
PRIORITY = 1
"""Others have none: it takes a service over from them."""


def stages(state: ServiceState, target: str, bad: str, policy: RollbackPolicy) -> tuple[Stage, ...]:
    """The stages of *immediate*, or the shares that there is room for, between a freeze and a thaw of deployments."""
    back = immediate if fits(at_once(state, target, policy), state.room) else gradual
    return (
        _freeze("freeze", f"let nobody deploy {state.service}", frozen=True),
        *map(_uncompared, back.stages(state, target, bad, policy)),
        _freeze("thaw", f"let {state.service} be deployed again", frozen=False),
    )


def _uncompared(stage: Stage) -> Stage:
    return stage.model_copy(update={"gate": None}) if isinstance(stage.gate, Compare) else stage


def _freeze(name: str, title: str, *, frozen: bool) -> Stage:
    return Stage(name=name, title=title, steps=(StageStep(id=name, title=title, operation=Freeze(frozen=frozen)),))
