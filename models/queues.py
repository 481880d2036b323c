"""Names of the task queues. Workflows share one neutral queue; activities run where their region is."""

from __future__ import annotations

WORKFLOWS = "sternway"
"""Polled by the gateway and by the pools of every region."""


def regional(region: str) -> str:
    """The queue of a region's activities."""
    return f"sternway.{region}"


def predicting(region: str) -> str:
    """The queue of a region's predictor pool, which alone has what predicting takes in memory."""
    return f"sternway.{region}.predict"


LEARNING = "sternway.learn"
"""Polled by the predictor pools that have what learning takes installed."""
