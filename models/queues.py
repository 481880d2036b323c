"""Names of the task queues. Workflows share one neutral queue; activities run where their region is."""

from __future__ import annotations

WORKFLOWS = "sternway"
"""Polled by the gateway and by the pools of every region."""


def regional(region: str) -> str:
    """The queue of a region's activities."""
    return f"sternway.{region}"
