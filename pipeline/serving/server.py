"""Listens, and ends when it is asked to."""

import gc
import os
import signal
from pathlib import Path

import uvicorn

from pipeline.serving.app import create_app
from pipeline.serving.settings import ServingSettings

CONNECTIONS = 1024  # more are answered 503 at once


def serve(out: Path, settings: ServingSettings, token: str | None) -> None:
    """Serves until SIGTERM or SIGINT, then lets the requests that run end.

    Args:
      out: folder of the runs.
      settings: limits.
      token: that requests need; None asks for none.
    """
    # What the imports made stays for good: the collector need not walk it.
    gc.collect()
    gc.freeze()
    # The server takes these over until it has drained, and raises them once more then.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    app = create_app(out, settings, token, threads=max(1, (os.cpu_count() or 1) - 1))
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        lifespan="on",
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=settings.drain_seconds,
        server_header=False,
    )
