"""Traces of OpenTelemetry, which its own environment variables switch on.

Otherwise nothing of OpenTelemetry is imported.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
# Collectors accept both at the same address; JSON is what is sent (docs/adr/0065).
_OVER_HTTP = ("http/json", "http/protobuf")


@contextlib.contextmanager
def begun(service: str) -> Iterator["Tracer | None"]:
    """Yields what makes spans; None unless a collector is named in the environment.

    At the end, spans that have not been sent are sent, for at most the 10 s of
    ``OTEL_EXPORTER_OTLP_TIMEOUT``.

    Args:
        service: Name of the service, unless the environment has another one.
    """
    if not _first(_ENDPOINTS):
        yield None
        return
    protocol = _first(_PROTOCOLS)
    if protocol and protocol not in _OVER_HTTP:
        logging.warning(
            "No traces are sent: the protocol %s is not supported. Set %s=http/json, "
            "and the address of the collector's HTTP port (4318).",
            *(protocol, _PROTOCOLS[1]),
        )
        yield None
        return
    from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    name = os.environ.get("OTEL_SERVICE_NAME") or service
    resource = Resource.create({"service.name": name})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield provider.get_tracer("marquee")
    finally:
        provider.shutdown()


def _first(variables: tuple[str, ...]) -> str:
    return next((os.environ[name] for name in variables if os.environ.get(name)), "")
