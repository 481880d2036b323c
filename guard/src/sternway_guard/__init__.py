"""Guard the calls of an application: breakers that learn, limits that adapt, and value first. Standard library only.

For a library of one's own choice there are :mod:`sternway_guard.asgi`, :mod:`sternway_guard.httpx`,
:mod:`sternway_guard.prometheus` and :mod:`sternway_guard.opentelemetry`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sternway_guard.breaker import Breaker
    from sternway_guard.control import Control
    from sternway_guard.deadlines import deadline
    from sternway_guard.earnings import worth
    from sternway_guard.errors import BreakerOpen, DeadlinePassed, Rejected, Shed
    from sternway_guard.fallback import Answer, Fallback
    from sternway_guard.guard import Guard
    from sternway_guard.incidents import (
        Impact,
        IncidentClient,
        Modules,
        Report,
        StartedIncident,
        SternwayRefused,
        SternwayUnavailable,
    )
    from sternway_guard.limiter import Limiter
    from sternway_guard.probes import ProbeBudget
    from sternway_guard.registry import Registry
    from sternway_guard.retries import RetryBudget
    from sternway_guard.settings import (
        BreakerSettings,
        ConfigurationError,
        Fixed,
        GuardSettings,
        Learned,
        LimitSettings,
        Mode,
    )
    from sternway_guard.transitions import State, Transition

_HOMES = {
    "breaker": ("Breaker",),
    "control": ("Control",),
    "deadlines": ("deadline",),
    "earnings": ("worth",),
    "errors": ("BreakerOpen", "DeadlinePassed", "Rejected", "Shed"),
    "fallback": ("Answer", "Fallback"),
    "guard": ("Guard",),
    "incidents": (
        "Impact",
        "IncidentClient",
        "Modules",
        "Report",
        "StartedIncident",
        "SternwayRefused",
        "SternwayUnavailable",
    ),
    "limiter": ("Limiter",),
    "probes": ("ProbeBudget",),
    "registry": ("Registry",),
    "retries": ("RetryBudget",),
    "settings": ("BreakerSettings", "ConfigurationError", "Fixed", "GuardSettings", "Learned", "LimitSettings", "Mode"),
    "transitions": ("State", "Transition"),
}
"""Each is imported when it is first asked for: who wants a breaker does not wait for HTTP."""

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Answer",
    "Breaker",
    "BreakerOpen",
    "BreakerSettings",
    "ConfigurationError",
    "Control",
    "DeadlinePassed",
    "Fallback",
    "Fixed",
    "Guard",
    "GuardSettings",
    "Impact",
    "IncidentClient",
    "Learned",
    "LimitSettings",
    "Limiter",
    "Mode",
    "Modules",
    "ProbeBudget",
    "Registry",
    "Rejected",
    "Report",
    "RetryBudget",
    "Shed",
    "StartedIncident",
    "State",
    "SternwayRefused",
    "SternwayUnavailable",
    "Transition",
    "deadline",
    "worth",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
