"""What stands before every path: token, sizes, time, counts, errors as JSON."""

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
OPEN_PATHS = frozenset({"/healthz"})  # whoever looks whether we live has no token
JSON = "application/json"
Handler = Callable[[Request], Awaitable[Response]]


class Error(msgspec.Struct):
    """What every error has for a body, as in TensorFlow Serving.

    Attributes:
        error: What happened and what was expected.
    """

    error: str


def error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """An error's answer."""
    if status in (408, 413):  # the rest of the body is not read
        headers = {"Connection": "close"}
    if status == 429:
        headers = {"Retry-After": "1"}
    # JSON can name half a surrogate pair, which no UTF-8 can repeat.
    told = message.encode(errors="backslashreplace").decode()
    body = msgspec.json.encode(Error(told))
    return Response(body, status, headers, media_type=JSON)


def route(path: str, handler: Handler, method: str) -> Route:
    """A path whose refusals are answered as JSON."""

    async def answer(request: Request) -> Response:
        request.scope["template"] = path
        try:
            return await handler(request)
        except RequestError as refused:
            return error(refused.status, refused.message)
        except Exception:  # a fault of ours: the log has it, the client hears of it
            _log.exception("%s %s failed", request.method, path)
            return error(500, "internal error; the server's log has more")

    return Route(path, answer, methods=[method])


class Room:
    """Bytes of memory that the bodies of all requests share; of one event loop."""

    def __init__(self, most: int):
        """Nothing is taken yet.

        Args:
            most: Bytes that there are.
        """
        self._free = most

    @contextlib.contextmanager
    def taken(self) -> Iterator[Callable[[int], None]]:
        """Yields the function that takes bytes; all of them are given back at the end.

        Raises:
            RequestError: There is no room (429).
        """
        mine = 0

        def take(count: int) -> None:
            nonlocal mine
            if count > self._free:
                raise RequestError(429, "too many bodies are being read; try again")
            mine += count
            self._free -= count

        try:
            yield take
        finally:
            self._free += mine


async def body_of(
    request: Request, settings: ServingSettings, take: Callable[[int], None]
) -> bytes:
    """A request's body, read no further than it may be long.

    Args:
        request: Whose body was not read yet.
        settings: How long it may be, and how long it may take.
        take: Takes memory for it.

    Raises:
        RequestError: It is too long (413), too slow (408), or not whole (400); or there
            is no room for it (429).
    """
    too_long = RequestError(413, f"the body is longer than {settings.max_body} bytes")
    told = request.headers.get("content-length", "0")
    if not told.isdecimal() or int(told) > settings.max_body:
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
        told = f"the body did not come in {settings.timeout:g} s"
        raise RequestError(408, told) from None
    except ClientDisconnect:  # nobody reads this, but it is counted
        raise RequestError(400, "the client hung up within its body") from None


class Gate:
    """Lets in who has the token, and counts what was answered."""

    def __init__(self, app: ASGIApp, metrics: Metrics, token: str | None):
        """Stands before an app.

        Args:
            app: That answers.
            metrics: That count.
            token: That requests need, as ``Authorization: Bearer <token>``; None asks
                for none.
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
            if self._is_let_in(scope):
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

    def _is_let_in(self, scope: Scope) -> bool:
        if self._wanted is None or scope["path"] in OPEN_PATHS:
            return True
        told = [v for name, v in scope["headers"] if name == b"authorization"]
        return len(told) == 1 and hmac.compare_digest(told[0], self._wanted)
