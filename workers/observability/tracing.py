"""Traces: one tree from the alert's receipt through the workflow and its activities.

Temporal's OpenTelemetry plugin is marked experimental, so nothing outside this module names it. Without an
``otlp_endpoint`` nothing is installed and a span costs nothing.
"""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from temporalio.client import Plugin
from temporalio.contrib.opentelemetry import OpenTelemetryPlugin, create_tracer_provider

from models.settings import Settings


class Tracing:
    """The traces of one process. Without an exporter they are off."""

    def __init__(self, process: str, exporter: SpanExporter | None) -> None:
        self._processor = BatchSpanProcessor(exporter) if exporter else None
        if self._processor:
            provider = create_tracer_provider(resource=Resource.create({"service.name": f"sternway-{process}"}))
            provider.add_span_processor(self._processor)
            trace.set_tracer_provider(provider)

    @property
    def plugins(self) -> list[Plugin]:
        """For the Temporal client; a worker made from that client is traced as well."""
        return [OpenTelemetryPlugin(add_temporal_spans=True)] if self._processor else []

    def close(self) -> None:
        """Export what is left. Blocks for as long as the exporter does, at most a few seconds."""
        if self._processor:
            self._processor.shutdown()


def start(settings: Settings, process: str) -> Tracing:
    """Trace this process to the settings' OTLP/HTTP collector, if there is one. Call once, at its start."""
    if not settings.otlp_endpoint:
        return Tracing(process, None)
    endpoint = settings.otlp_endpoint.rstrip("/") + "/v1/traces"
    return Tracing(process, OTLPSpanExporter(endpoint=endpoint, timeout=3))


def tracer() -> trace.Tracer:
    """For spans of our own outside workflows."""
    return trace.get_tracer("sternway")
