"""A receiver of traces on loopback, in place of OpenTelemetry's collector.

It decodes what it gets with OpenTelemetry's own package of the messages.
"""

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

from opentelemetry.proto_json.collector.trace.v1.trace_service import (
    ExportTraceServiceRequest,
)


class Receiver:
    """A running receiver.

    Attributes:
        environment: Variables that name it to a process that sends spans.
    """

    def __init__(self, port: int, written: Path):
        self.environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
        self._written = written

    def spans(self) -> list[dict]:
        """Returns the spans so far, with their ``service`` and plain ``attributes``."""
        found = []
        text = self._written.read_text() if self._written.exists() else ""
        for line in text.splitlines():
            for resource in json.loads(line)["resourceSpans"]:
                of_all = _plain(resource["resource"]["attributes"])
                for scope in resource["scopeSpans"]:
                    found += [
                        {
                            **span,
                            "attributes": _plain(span.get("attributes", [])),
                            "service": of_all["service.name"],
                        }
                        for span in scope["spans"]
                    ]
        return found


def _plain(attributes: list[dict]) -> dict:
    """Returns attributes as Python has them; JSON has integers as texts."""
    values = {}
    for attribute in attributes:
        [(kind, value)] = attribute["value"].items()
        values[attribute["key"]] = int(value) if kind == "intValue" else value
    return values


@contextlib.contextmanager
def receiver(folder: Path) -> Iterator[Receiver]:
    """Runs a receiver that writes what it gets to a file in a folder."""
    written = folder / "spans.jsonl"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            assert self.path == "/v1/traces"
            message = ExportTraceServiceRequest.from_json(body.decode())
            with written.open("a") as file:
                file.write(message.to_json() + "\n")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Receiver(server.server_port, written)
        server.shutdown()
