"""Listens, and ends when it is asked to."""

import functools
import gc
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import uvicorn

from pipeline import machine
from pipeline.serving.app import create_app
from pipeline.serving.connection import Connection
from pipeline.serving.prometheus_metrics import Metrics
from pipeline.serving.settings import ServingSettings

CONNECTIONS = 1024  # one more is answered 503 at once
# How long a thread that encodes a large answer may keep the one that serves everybody
# from running; Python's default is five times as long.
SWITCH_SECONDS = 0.001
# Objects between two garbage collections; Python's default is 700. Requests leave no
# cycles, but the 40,000 lists of a refused request of 120 KB started 70 collections,
# each of which stops the event loop: 28 % of the server's time in a flood of them.
COLLECT_AFTER = 50_000
FILES = 256  # descriptors beside those of connections: models, ratings, logs


def serve(out: Path, settings: ServingSettings, token: str | None) -> None:
    """Serves until SIGTERM or SIGINT, then lets the requests that run end.

    Args:
        out: Folder of the runs.
        settings: Limits.
        token: That requests need; None asks for none.
    """
    # Imported objects live as long as the process: the collector need not visit them.
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    sys.setswitchinterval(SWITCH_SECONDS)
    # The server takes these over until it has drained, and raises them once more then.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    metrics, threads = Metrics(), max(1, machine.cores() - 1)
    most = min(CONNECTIONS, _raised_descriptors(CONNECTIONS + FILES) - FILES)
    connection: Any = functools.partial(Connection, settings, metrics, most)
    uvicorn.run(
        create_app(out, settings, token, threads, metrics),
        http=connection,
        ws="none",
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        lifespan="on",
        timeout_graceful_shutdown=settings.drain_seconds,
        server_header=False,
    )


def _raised_descriptors(wanted: int) -> int:
    """How many files may be open; a low soft limit, as shells set it, is raised.

    Args:
        wanted: That many, where the hard limit allows it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
