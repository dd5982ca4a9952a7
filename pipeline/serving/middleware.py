"""Applies to every route: token, sizes, time limits, counts, errors as JSON."""

import asyncio
import contextlib
import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Iterator

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.serving.errors import RequestError
from pipeline.serving.prometheus_metrics import Metrics
from pipeline.serving.settings import ServingSettings

_log = logging.getLogger(__name__)
OPEN_PATHS = frozenset({"/healthz"})  # health checks carry no token
JSON = "application/json"
Handler = Callable[[Request], Awaitable[Response]]


class Error(msgspec.Struct):
    """Body of every error, as in TensorFlow Serving.

    Attributes:
        error: What happened and what was expected.
    """

    error: str


def error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """Returns the response to a request that failed."""
    if status in (408, 413):  # the rest of the body is not read
        headers = {"Connection": "close"}
    if status == 429:
        headers = {"Retry-After": "1"}
    # JSON can contain half a surrogate pair, which UTF-8 cannot.
    text = message.encode(errors="backslashreplace").decode()
    body = msgspec.json.encode(Error(text))
    return Response(body, status, headers, media_type=JSON)


def route(path: str, handler: Handler, method: str) -> Route:
    """Returns the route of a path, with errors answered as JSON."""

    async def answer(request: Request) -> Response:
        request.scope["template"] = path
        try:
            return await handler(request)
        except RequestError as refused:
            return error(refused.status, refused.message)
        except Exception:  # a bug: log it, and answer the client
            _log.exception("%s %s failed", request.method, path)
            return error(500, "internal error; see the server's log")

    return Route(path, answer, methods=[method])


class BodyMemory:
    """Memory that the bodies of all requests share; belongs to one event loop.

    Args:
        most: Maximum size of all bodies in bytes.
    """

    def __init__(self, most: int):
        self._free = most

    @contextlib.contextmanager
    def taken(self) -> Iterator[Callable[[int], None]]:
        """Yields a function that takes bytes, all of which are returned at the end.

        Raises:
            RequestError: If too little memory is left (429).
        """
        mine = 0

        def take(count: int) -> None:
            nonlocal mine
            if count > self._free:
                raise RequestError(
                    429, "no memory is left for this body; try again later"
                )
            mine += count
            self._free -= count

        try:
            yield take
        finally:
            self._free += mine


async def body_of(
    request: Request, settings: ServingSettings, take: Callable[[int], None]
) -> bytes:
    """Reads a request's body, at most as far as it may be long.

    Args:
        request: Request whose body has not been read yet.
        settings: Limits of the body's size and duration.
        take: Function that reserves memory for so many bytes.

    Raises:
        RequestError: If the body is too long (413), too slow (408) or incomplete (400),
            or the memory for bodies is used up (429).
    """
    too_long = RequestError(413, f"the body is longer than {settings.max_body} bytes")
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > settings.max_body:
        raise too_long

    async def read() -> bytes:
        body = bytearray()
        async for chunk in request.stream():
            if len(body) + len(chunk) > settings.max_body:
                raise too_long
            take(len(chunk))
            body += chunk
        return bytes(body)

    try:
        async with asyncio.timeout(settings.timeout):
            return await read()
    except TimeoutError:
        message = f"timed out reading the body after {settings.timeout:g} s"
        raise RequestError(408, message) from None
    except ClientDisconnect:  # the client does not read this, but it is counted
        raise RequestError(400, "the client disconnected mid-body") from None


class Gate:
    """Refuses requests without the token, and counts all responses."""

    def __init__(self, app: ASGIApp, metrics: Metrics, token: str | None):
        """Wraps an application.

        Args:
            app: Application that answers.
            metrics: Metrics of the server.
            token: Token that requests must carry as ``Authorization: Bearer <token>``;
                None if they need none.
        """
        self._app, self._metrics = app, metrics
        self._wanted = f"Bearer {token}".encode() if token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if self._is_allowed(scope):
                await self._app(scope, receive, counted)
            else:
                refused = error(
                    401, "a bearer token is needed", {"WWW-Authenticate": "Bearer"}
                )
                await refused(scope, receive, counted)
        finally:
            path = scope.get("template", "other")
            self._metrics.requests.labels(path, status).inc()
            self._metrics.latency.labels(path).observe(time.perf_counter() - started)

    def _is_allowed(self, scope: Scope) -> bool:
        if self._wanted is None or scope["path"] in OPEN_PATHS:
            return True
        given = [v for name, v in scope["headers"] if name == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], self._wanted)
