"""How the embedded Temporal server is started. The values were measured; ratios travel, milliseconds do not."""

from __future__ import annotations

from pathlib import Path

from workers.local.binaries import binary
from workflows.search import SEARCH_ATTRIBUTES

DYNAMIC_CONFIG = {
    # The default of 20 a second costs 30 to 45 ms a hop: a start reaches its first activity in 19 instead of 50 ms.
    "history.transferProcessorMaxPollRPS": 2000,
    "history.timerProcessorMaxPollRPS": 2000,
    "history.visibilityProcessorMaxPollRPS": 2000,
    # One partition keeps the strict order of priorities.
    "matching.numTaskqueueReadPartitions": 1,
    "matching.numTaskqueueWritePartitions": 1,
}


def argv(database: Path, port: int, ui_port: int, metrics_port: int) -> list[str]:
    """The server with its UI on loopback, its history in *database*."""
    command = [binary("temporal"), "server", "start-dev", "--ip", "127.0.0.1", "--headless=false"]
    command += ["--port", str(port), "--ui-port", str(ui_port), "--metrics-port", str(metrics_port)]
    command += ["--db-filename", str(database), "--log-level", "error"]
    # 19 ms instead of 40 a commit: survives the death of every process, but not the loss of power.
    command += ["--sqlite-pragma", "synchronous=1"]
    for name, value in DYNAMIC_CONFIG.items():
        command += ["--dynamic-config-value", f"{name}={value}"]
    for attribute in SEARCH_ATTRIBUTES:
        command += ["--search-attribute", f"{attribute.name}=Keyword"]
    return command
