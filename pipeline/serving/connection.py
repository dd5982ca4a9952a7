"""A client's connection, with bounds on how much it sends and how long it takes.

uvicorn reads a head of any length for any time, and continues to read a body that has
been refused. Here each message has bounds from its first byte on. A client that exceeds
them gets an error, unless an answer is already being sent, and is disconnected.
"""

import asyncio
from typing import Any, Literal

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from pipeline.serving.middleware import error
from pipeline.serving.prometheus_metrics import Metrics
from pipeline.serving.settings import ServingSettings

MAX_HEAD = 64 << 10  # bytes of a request line and its headers
MAX_PIPELINED = 100  # requests of one connection that wait for an earlier one
ANSWER_SECONDS = 60.0  # time that a client may take to read an answer
LOOK_SECONDS = 1.0  # between two checks of these times


class Connection(HttpToolsProtocol):
    """uvicorn's connection with limits.

    A message is a head and a body. The time in which the server answers counts for
    neither; between two messages uvicorn's ``timeout_keep_alive`` applies.
    """

    def __init__(
        self,
        settings: ServingSettings,
        metrics: Metrics,
        most: int,
        **uvicorn: Any,
    ):
        """Prepares a connection before it is made.

        Args:
            settings: Limits of the server.
            metrics: Metrics that count refused requests.
            most: Maximum number of connections at once.
            uvicorn: Arguments of uvicorn's own connections.
        """
        super().__init__(**uvicorn)
        self._settings, self._metrics, self._most = settings, metrics, most
        self._reads: Literal["head", "body"] = "head"
        self._since: float | None = None  # when the message's head, or its body, began
        self._received = 0  # bytes of the message so far
        self._unsent_since: float | None = None
        self._is_refused = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts to wait for the first head, unless there are too many connections."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._timer = self.loop.call_later(LOOK_SECONDS, self._look)
        if len(self.connections) > self._most:
            self._refuse(503, f"all {self._most} connections are in use; try again")

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops all timers."""
        if self._timer:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Processes received bytes up to the bounds of a message."""
        if self._is_refused:
            return
        if self._since is None:
            self._since = self.loop.time()
        self._received += len(data)
        super().data_received(data)
        if self._reads == "head" and self._received > MAX_HEAD:
            self._refuse(431, f"the request's head is longer than {MAX_HEAD} bytes")
        # Framing, trailers and extensions of chunks count as well.
        elif self._received > MAX_HEAD + 2 * self._settings.max_body:
            self._refuse(
                413, f"the body is longer than {self._settings.max_body} bytes"
            )
        elif len(self.pipeline) > MAX_PIPELINED:
            self._refuse(
                429, f"more than {MAX_PIPELINED} requests are waiting in one connection"
            )

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keeps a header, but not trailers, which nothing reads."""
        if self._reads == "head":
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Passes a request on, unless its head is too long."""
        headers = sum(len(name) + len(value) + 4 for name, value in self.headers)
        if len(self.url) + headers > MAX_HEAD:
            self._refuse(431, f"the request's head is longer than {MAX_HEAD} bytes")
        if not self._is_refused:
            self._reads, self._since = "body", self.loop.time()
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Passes a part of a body on."""
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Starts to wait for the next message."""
        if not self._is_refused:
            super().on_message_complete()
            self._reads, self._since, self._received = "head", None, 0

    def _look(self) -> None:
        """Disconnects the client if it takes too long."""
        now, seconds = self.loop.time(), self._settings.timeout
        self._timer = self.loop.call_later(LOOK_SECONDS, self._look)
        if not self.transport.get_write_buffer_size():
            self._unsent_since = None
        elif self._unsent_since is None:
            self._unsent_since = now
        elif now - self._unsent_since > ANSWER_SECONDS:
            self.transport.abort()
        if self._since is None or self.flow.read_paused:
            return
        # The application refuses a slow body itself; here are those it does not read.
        limit = seconds if self._reads == "head" else 2 * seconds
        if now - self._since > limit and not self._received:
            self.transport.close()  # a browser's speculative connection
        elif now - self._since > limit:
            self._refuse(408, f"timed out reading the {self._reads} after {limit:g} s")

    def _refuse(self, status: int, message: str) -> None:
        """Sends an error, unless an answer is being sent, and disconnects."""
        if self._is_refused or self.transport.is_closing():
            return
        self._is_refused = True
        self._metrics.requests.labels("other", status).inc()
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_bytes_of(error(status, message)))
        self.transport.close()


def _bytes_of(answer: Response) -> bytes:
    """Returns the bytes of a response, to be sent without the application."""
    headers = b"".join(
        name + b": " + value + b"\r\n"
        for name, value in answer.raw_headers
        if name != b"connection"
    )
    head = STATUS_LINE[answer.status_code] + headers + b"connection: close\r\n\r\n"
    return head + bytes(answer.body)
