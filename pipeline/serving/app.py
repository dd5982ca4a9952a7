"""Joins the parts of the server."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from pipeline.serving import openapi
from pipeline.serving.accepted_ratings import AcceptedRatings
from pipeline.serving.batching import Batcher
from pipeline.serving.middleware import JSON, Gate, error, route
from pipeline.serving.prometheus_metrics import Metrics
from pipeline.serving.recommend_api import Lists
from pipeline.serving.settings import ServingSettings
from pipeline.serving.tfserving_api import Rest
from pipeline.serving.version_watcher import LiveModel

_log = logging.getLogger(__name__)


def create_app(
    out: Path,
    settings: ServingSettings,
    token: str | None,
    threads: int,
    metrics: Metrics,
) -> ASGIApp:
    """The server of a folder of runs.

    Args:
        out: The folder. ``live`` in it has the versions, and its metadata store records
            which ratings each was accepted with.
        settings: Limits.
        token: That requests need; None asks for none.
        threads: That one call of the model may use.
        metrics: That count what happens.
    """
    ratings = AcceptedRatings(out, metrics)
    live = LiveModel(out / "live", threads, settings, metrics, ratings.look)
    batcher = Batcher(settings, metrics)

    async def health(_: Request) -> Response:
        """Says whether a model answers: 503 until there is one."""
        number = live.number
        told = msgspec.json.encode(openapi.Health(bool(number), number))
        return Response(told, 200 if number else 503, media_type=JSON)

    async def show_metrics(_: Request) -> Response:
        """Counts for Prometheus."""
        told = generate_latest(metrics.registry)
        return Response(told, media_type=CONTENT_TYPE_LATEST)

    async def look_at_ratings() -> None:
        if live.current:
            await ratings.look(live.current)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        looking = [
            asyncio.create_task(_again(look, settings.poll_seconds))
            for look in (live.look, look_at_ratings)
        ]
        yield
        for task in looking:
            task.cancel()
        # Calls that still run are for nobody: they end with the model's process.
        await live.close()
        batcher.close()

    routes: list[BaseRoute] = [
        *Lists(live, ratings, batcher).routes(),
        *Rest(live, batcher, settings).routes(),
        route("/healthz", health, "GET"),
        route("/metrics", show_metrics, "GET"),
        *openapi.routes(),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={404: _no_such_path, 405: _no_such_path},
    )
    app.router.redirect_slashes = False
    return Gate(app, metrics, token)


async def _again(look: Callable[[], Awaitable[None]], seconds: float) -> None:
    while True:
        try:
            await look()
        except Exception:  # nobody awaits this task: it must not end in silence
            _log.exception("the folder of runs cannot be looked at; it is tried again")
        await asyncio.sleep(seconds)


async def _no_such_path(request: Request, refused: Exception) -> Response:
    status = refused.status_code if isinstance(refused, HTTPException) else 404
    return error(status, f"Malformed request: {request.method} {request.url.path}")
