"""OpenTelemetry's own collector on loopback, which writes what it gets to a file."""

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import free_port
from tests.support.trace_receiver import Receiver

_COLLECTOR = Path(__file__).parents[2] / "build" / "otel" / "collector"


@contextlib.contextmanager
def collector(folder: Path) -> Iterator[Receiver]:
    """Runs the collector until the block ends; by then its file has all spans."""
    if not _COLLECTOR.exists():
        pytest.skip("no collector: run make build/otel/collector")
    port, written = free_port(), folder / "spans.jsonl"
    config = {
        "receivers": {
            "otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}
        },
        "exporters": {"file": {"path": str(written)}},
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["file"]}},
        },
    }
    (folder / "collector.yaml").write_text(json.dumps(config))  # JSON is YAML
    command = [str(_COLLECTOR), "--config", f"file:{folder / 'collector.yaml'}"]
    with open(folder / "collector.log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(process, port, folder / "collector.log")
        yield Receiver(port, written)
    finally:
        process.terminate()
        process.wait(60)


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Waits until the collector can be connected to."""
    end = time.monotonic() + 60
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        if process.poll() is not None or time.monotonic() > end:
            pytest.fail(log.read_text()[-3000:])
        time.sleep(0.1)
