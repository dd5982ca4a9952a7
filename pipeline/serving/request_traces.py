"""Spans of a request: the request itself, its wait for the model, and the call.

Paths and headers are not recorded: they contain IDs of users.
"""

import contextvars
import dataclasses
import time
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer

NOT_TRACED = frozenset({"/healthz", "/metrics"})  # requested every few seconds
_PARENT = (b"traceparent", b"tracestate")  # headers of W3C Trace Context


@dataclasses.dataclass(frozen=True)
class Wait:
    """A traced request, or a part of it, that waits for its call of the model.

    Attributes:
        tracer: Makes spans.
        request: The request's span, as the context of others.
        since: Start of the wait, in nanoseconds UTC.
    """

    tracer: "Tracer"
    request: "Context"
    since: int

    def end(self, started: int, attributes: dict[str, str | int]) -> None:
        """Records the wait and the call, which has just ended.

        Args:
            started: Start of the call, in nanoseconds UTC.
            attributes: Attributes of the call.
        """
        for name, begin, end, more in (
            ("wait for the model", self.since, started, {}),
            ("call of the model", started, time.time_ns(), attributes),
        ):
            span = self.tracer.start_span(
                name, self.request, start_time=begin, attributes=more
            )
            span.end(end)


_request: contextvars.ContextVar["tuple[Tracer, Context] | None"] = (
    contextvars.ContextVar("request", default=None)
)


def begin_wait() -> Wait | None:
    """Returns the wait of the request that is being answered; None if not traced."""
    request = _request.get()
    return Wait(*request, time.time_ns()) if request else None


class TracedRequests:
    """Makes a span for each request, below that of the client if it sends one."""

    def __init__(self, app: ASGIApp, tracer: "Tracer"):
        """Wraps an application.

        Args:
            app: Application that answers.
            tracer: Makes spans.
        """
        from opentelemetry import trace
        from opentelemetry.trace.propagation import tracecontext

        self._app, self._tracer, self._api = app, tracer, trace
        self._propagator = tracecontext.TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http" or scope["path"] in NOT_TRACED:
            await self._app(scope, receive, send)
            return
        sent = {
            k.decode(): v.decode("latin-1") for k, v in scope["headers"] if k in _PARENT
        }
        span = self._tracer.start_span(
            scope["method"],
            self._propagator.extract(sent),
            kind=self._api.SpanKind.SERVER,
        )
        token = _request.set((self._tracer, self._api.set_span_in_context(span)))
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            _request.reset(token)
            route = scope.get("template", "other")
            span.update_name(f"{scope['method']} {route}")
            span.set_attributes(
                {
                    "http.request.method": scope["method"],
                    "http.route": route,
                    "http.response.status_code": status,
                }
            )
            if status >= 500:
                span.set_status(self._api.StatusCode.ERROR)
            span.end()
