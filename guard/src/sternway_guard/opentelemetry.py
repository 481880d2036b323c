"""Transitions for OpenTelemetry: a counter, and an event on the span that is current. Needs ``opentelemetry-api``."""

from __future__ import annotations

from opentelemetry import metrics, trace

from sternway_guard.transitions import Listener, Transition


def listener() -> Listener:
    """Give it to the guards as one of their listeners."""
    transitions = metrics.get_meter("sternway_guard").create_counter(
        "guard.breaker.transitions", description="Changes of a breaker's state."
    )

    def note(transition: Transition) -> None:
        told = {
            "guard.target": str(transition.target),
            "guard.breaker.before": transition.before.value,
            "guard.breaker.after": transition.after.value,
        }
        transitions.add(1, told)
        trace.get_current_span().add_event("breaker", {**told, "guard.breaker.because": transition.because})

    return note
