"""The routes of the server, and the parts that answer them."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from pathlib import Path

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from components.live_models.versions import challengers
from pipeline.event_log.store import EventStore
from pipeline.list_log.files import ListLog
from pipeline.serving import openapi
from pipeline.serving.accepted_ratings import AcceptedRatings
from pipeline.serving.arms import Arms
from pipeline.serving.batching import Batcher
from pipeline.serving.event_writer import DAYS_SECONDS, EventWriter
from pipeline.serving.events_api import EventsApi
from pipeline.serving.exploration import Exploration
from pipeline.serving.feed_watcher import LOOK_SECONDS, FeedWatcher
from pipeline.serving.middleware import JSON, Gate, error, route
from pipeline.serving.model_process import ModelProcess
from pipeline.serving.online_gauges import ONLINE_SECONDS, OnlineGauges
from pipeline.serving.prometheus_metrics import Metrics
from pipeline.serving.recommend_api import RecommendApi
from pipeline.serving.settings import ServingSettings
from pipeline.serving.similar_api import SimilarApi
from pipeline.serving.tfserving_api import MODEL, VERSION, TFServingApi
from pipeline.serving.trial_watcher import LOOK_SECONDS as TRIAL_SECONDS
from pipeline.serving.trial_watcher import TrialWatcher
from pipeline.serving.version_watcher import LiveModel, Prepare

_log = logging.getLogger(__name__)
_Look = Callable[[], Awaitable[None]]


def create_app(
    out: Path,
    settings: ServingSettings,
    token: str | None,
    threads: int,
    metrics: Metrics,
) -> ASGIApp:
    """Returns the server of a folder of runs.

    Args:
        out: Folder whose subfolder ``live`` contains the versions, and whose metadata
            store records which ratings each of them was accepted with.
        settings: Limits of the server.
        token: Bearer token that requests must carry; None if they need none.
        threads: Number of threads that one call of the model may use.
        metrics: Metrics of the server.

    Raises:
        EventStoreError: If the events that it receives cannot be written.
        ListLogError: If the folder of the logged lists cannot be created.
    """
    events = log = None
    if settings.events:
        events = EventWriter(EventStore(out), settings.events, metrics)
    if settings.log_share:
        metrics.log_share.set(settings.log_share)
        log = ListLog(
            *(out, settings.log_share),
            *(metrics.lists_logged.inc, metrics.lists_not_logged.inc),
            redacted=settings.redacted,
        )
    ratings, feeds = AcceptedRatings(out, metrics), FeedWatcher(metrics)

    exploration = Exploration(*settings.explore)

    async def read_ratings(model: ModelProcess) -> None:
        exploration.warn(model.number, model.rules)
        await ratings.look(model)

    folder = out / "live"
    prepare = Prepare(feeds.look, read_ratings, lambda model: model in ratings)
    live, challenger = (
        LiveModel(path, threads, settings, metrics, prepare)
        for path in (folder, challengers(folder))
    )
    arms = Arms(folder, live, challenger, settings.holds, metrics)
    served = challenger if settings.holds == "trial" else live
    trials = TrialWatcher(out, arms, metrics)

    async def look_at_ratings() -> None:
        for model in filter(None, (live.current, challenger.current)):
            await ratings.look(model)

    async def look_at_feed() -> None:
        for model in filter(None, (live.current, challenger.current)):
            await feeds.look(model)

    async def look_at_days() -> None:
        if events and (data := served.current and ratings.known(served.current)):
            await events.look(data.expected)

    looks: dict[_Look, float] = {
        arms.look: settings.poll_seconds,
        trials.look: TRIAL_SECONDS,
        look_at_ratings: settings.poll_seconds,
        look_at_feed: LOOK_SECONDS,
        look_at_days: DAYS_SECONDS,
        OnlineGauges(out, metrics.registry).look: ONLINE_SECONDS,
    }
    batcher = Batcher(settings, metrics)
    lists = RecommendApi(arms, ratings, batcher, events, log, exploration)
    received = EventsApi(served, ratings, events, settings, metrics)
    similar = SimilarApi(served, ratings, batcher, settings)
    models = TFServingApi(served, batcher, settings)
    service = _ServiceApi(served, challenger, metrics)
    routes = [
        # recommend_api.py
        route("/v1/recommend/{user:path}", lists.recommend, "GET"),
        # events_api.py
        route("/v1/events", received.events, "POST"),
        # similar_api.py
        route("/v1/similar/{item:path}", similar.similar, "GET"),
        # tfserving_api.py; without a version, the one that is served
        route(f"{MODEL}:predict", models.predict, "POST"),
        route(f"{VERSION}:predict", models.predict, "POST"),
        route(f"{MODEL}/metadata", models.metadata, "GET"),
        route(f"{VERSION}/metadata", models.metadata, "GET"),
        route(MODEL, models.status, "GET"),
        route(VERSION, models.status, "GET"),
        # below
        route("/healthz", service.health, "GET"),
        route("/metrics", service.metrics, "GET"),
        # openapi.py
        route("/openapi.json", openapi.show_document, "GET"),
        route("/docs", openapi.show_page, "GET"),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lambda _: _watching(looks, (live, challenger), log),
        exception_handlers={404: _no_such_path, 405: _no_such_path},
    )
    app.router.redirect_slashes = False
    return Gate(app, metrics, token)


@contextlib.asynccontextmanager
async def _watching(
    looks: Mapping[_Look, float], models: Iterable[LiveModel], log: ListLog | None
) -> AsyncIterator[None]:
    """Looks for what is new meanwhile, and ends the other parts afterwards.

    Args:
        looks: Function → seconds between two calls.
        models: The versions.
        log: The log of lists, if there is one.
    """
    watchers = [
        asyncio.create_task(_repeat(look, pause)) for look, pause in looks.items()
    ]
    yield
    for task in watchers:
        task.cancel()
    # No client waits for calls that still run: they end with the model's process.
    for model in models:
        await model.close()
    if log:
        await asyncio.to_thread(log.close)


class _ServiceApi:
    """Health and metrics."""

    def __init__(self, served: LiveModel, challenger: LiveModel, metrics: Metrics):
        self._served, self._challenger, self._metrics = served, challenger, metrics

    async def health(self, _: Request) -> Response:
        """Reports whether a version is served and its ratings are read: 503 if not."""
        ready = self._served.is_ready
        body = msgspec.json.encode(openapi.Health(ready, self._served.number))
        return Response(body, 200 if ready else 503, media_type=JSON)

    async def metrics(self, _: Request) -> Response:
        """Returns the metrics for Prometheus."""
        self._metrics.version.set(self._served.number)
        on_trial = self._challenger.number if self._challenger.is_ready else 0
        self._metrics.trial_version.set(on_trial)
        body = generate_latest(self._metrics.registry)
        return Response(body, media_type=CONTENT_TYPE_LATEST)


async def _repeat(look: _Look, seconds: float) -> None:
    while True:
        try:
            await look()
        except Exception:  # the task is not awaited: it must not end silently
            _log.exception("The folder of runs cannot be read; trying again")
        await asyncio.sleep(seconds)


async def _no_such_path(request: Request, refused: Exception) -> Response:
    status = refused.status_code if isinstance(refused, HTTPException) else 404
    return error(status, f"Malformed request: {request.method} {request.url.path}")
