"""Traces: one tree from the alert to the first action, exported only where a collector is configured."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

from opentelemetry import trace

from models.settings import Settings
from workers.observability import tracing


async def test_an_alert_and_its_incident_are_one_tree(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "tests.observability.traced_incident", str(tmp_path)]
    root = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(*program, cwd=root, stdout=PIPE, stderr=PIPE)
    out, err = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 0, err.decode()[-2000:]
    spans = {span: (trace_id, parent, name) for trace_id, span, parent, name in map(json.loads, out.splitlines())}
    (begin,) = (one for one in spans.values() if one[2] == "alert received")
    (action,) = (one for one in spans.values() if one[2] == "RunActivity:first-action")
    assert action[0] == begin[0]
    path = [action[2]]
    while action[1]:
        action = spans[action[1]]
        path.append(action[2])
    assert "alert received" in path
    assert "StartWorkflow:Incident" in path
    assert "RunWorkflow:Incident" in path


def test_without_a_collector_nothing_is_installed() -> None:
    traces = tracing.start(Settings(), "test")
    assert traces.plugins == []
    assert not tracing.tracer().start_span("x").is_recording()
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    traces.close()
