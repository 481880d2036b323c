"""A process of its own, because traces are set up once a process: one alert through a traced gateway.

Prints the spans that a real OTLP/HTTP collector would have received, as JSON lines ``[trace, span, parent, name]``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from models.settings import Settings
from tests.gateway.running_gateway import a_gateway, alert, message, settings_for
from tests.gateway.temporal_server import TemporalServer
from tests.waiting import until
from workers.observability import logs, tracing


class Collector(BaseHTTPRequestHandler):
    paths: list[str] = []

    def do_POST(self) -> None:
        request = ExportTraceServiceRequest()
        request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
        self.paths.append(self.path)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                    print(json.dumps([*ids, span.name]), flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


async def main(folder: Path) -> None:
    logs.configure(Settings(), "gateway")
    collector = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    server = TemporalServer(folder)
    server.start()
    try:
        temporal = await server.client()
        settings = settings_for(folder, server.port, otlp_endpoint=f"http://127.0.0.1:{collector.server_port}")
        traces = tracing.start(settings, "gateway")
        async with a_gateway(settings, traces) as gateway:
            await gateway.parts.connection.client()
            await gateway.post(message(alert()))
            await until(lambda: gateway.protected.starts, 10, "the first action")
            await gateway.nothing_waits()
            (incident,) = [one.id async for one in temporal.list_workflows("WorkflowType = 'Incident'")]
            await temporal.get_workflow_handle(incident).signal("end")
            await temporal.get_workflow_handle(incident).result()
        traces.close()
        assert set(Collector.paths) == {"/v1/traces"}
    finally:
        server.stop()


asyncio.run(main(Path(sys.argv[1])))
