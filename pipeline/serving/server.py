"""Starts the server and stops it on a signal."""

import functools
import gc
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import uvicorn

from pipeline import machine, tracing
from pipeline.serving.app import create_app
from pipeline.serving.connection import Connection
from pipeline.serving.prometheus_metrics import Metrics
from pipeline.serving.request_traces import TracedRequests
from pipeline.serving.settings import ServingSettings

CONNECTIONS = 1024  # further ones are answered 503 at once
# How long a thread that encodes a large answer may keep the event loop from running;
# Python's default is five times as long.
SWITCH_SECONDS = 0.001
# Objects between two garbage collections; Python's default is 700. Requests leave no
# cycles, but the 40,000 lists of a refused request of 120 KB started 70 collections,
# each of which stops the event loop: 28 % of the server's time in a flood of them.
COLLECT_AFTER = 50_000
FILES = 256  # descriptors for anything but connections: models, ratings, logs


def serve(out: Path, settings: ServingSettings, token: str | None) -> None:
    """Serves until SIGTERM or SIGINT, then waits for the running requests.

    Args:
        out: Folder of the runs.
        settings: Address and limits of the server.
        token: Bearer token that requests must carry; None if they need none.

    Raises:
        EventStoreError: If the events that it receives cannot be written.
        ListLogError: If the folder of the logged lists cannot be created.
    """
    # Imported objects live as long as the process: the collector need not visit them.
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    sys.setswitchinterval(SWITCH_SECONDS)
    # uvicorn handles these until it has drained, and raises them again then.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    metrics, threads = Metrics(), max(1, machine.cores() - 1)
    most = min(CONNECTIONS, _raised_descriptors(CONNECTIONS + FILES) - FILES)
    connection: Any = functools.partial(Connection, settings, metrics, most)
    app = create_app(out, settings, token, threads, metrics)
    with tracing.begun("marquee-serve") as tracer:
        uvicorn.run(
            TracedRequests(app, tracer) if tracer else app,
            http=connection,
            ws="none",
            host=settings.host,
            port=settings.port,
            access_log=False,
            log_config=None,
            lifespan="on",
            timeout_graceful_shutdown=settings.drain_seconds,
            server_header=False,
            proxy_headers=False,  # nothing reads the client's address
        )


def _raised_descriptors(wanted: int) -> int:
    """Returns how many files may be open, after raising a low soft limit.

    Args:
        wanted: Number of files to allow, as far as the hard limit permits.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
