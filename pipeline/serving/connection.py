"""A client's connection: how much it may send, and how long it may take.

uvicorn reads a head of any length for as long as it takes, and goes on reading a body
after it has been refused. Here each message of a client has bounds from its first byte
on, whatever becomes of it: whoever exceeds them is answered, where no answer is under
way yet, and disconnected.
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
ANSWER_SECONDS = 60.0  # that a client may take to read an answer
LOOK_SECONDS = 1.0


class Connection(HttpToolsProtocol):
    """uvicorn's connection with limits.

    A message is a head and a body. Time that the server itself takes to answer counts
    for neither; between two messages uvicorn's ``timeout_keep_alive`` holds.
    """

    def __init__(
        self,
        settings: ServingSettings,
        metrics: Metrics,
        most: int,
        **uvicorn: Any,
    ):
        """Prepares a connection that is about to be made.

        Args:
            settings: Limits.
            metrics: That count what is refused.
            most: Connections that there may be at once.
            uvicorn: What uvicorn gives to its own connections.
        """
        super().__init__(**uvicorn)
        self._settings, self._metrics, self._most = settings, metrics, most
        self._reads: Literal["head", "body"] = "head"
        self._since: float | None = None  # the message's head, or its body, began
        self._received = 0  # bytes of the message
        self._unsent_since: float | None = None
        self._is_refused = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for a first head, if there is room."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._timer = self.loop.call_later(LOOK_SECONDS, self._look)
        if len(self.connections) > self._most:
            self._refuse(503, f"there are {self._most} connections already; try again")

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends all waiting."""
        if self._timer:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Reads on, as far as the message may go."""
        if self._is_refused:
            return
        if self._since is None:
            self._since = self.loop.time()
        self._received += len(data)
        super().data_received(data)
        if self._reads == "head" and self._received > MAX_HEAD:
            self._refuse(431, f"the request's head is longer than {MAX_HEAD} bytes")
        # A chunk is framed by some bytes; trailers and extensions of chunks count too.
        elif self._received > MAX_HEAD + 2 * self._settings.max_body:
            self._refuse(
                413, f"the body is longer than {self._settings.max_body} bytes"
            )
        elif len(self.pipeline) > MAX_PIPELINED:
            self._refuse(
                429, f"more than {MAX_PIPELINED} requests wait in one connection"
            )

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header; nobody reads trailers, and they would be kept."""
        if self._reads == "head":
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hands a request on, unless its head is too long."""
        headers = sum(len(name) + len(value) + 4 for name, value in self.headers)
        if len(self.url) + headers > MAX_HEAD:
            self._refuse(431, f"the request's head is longer than {MAX_HEAD} bytes")
        if not self._is_refused:
            self._reads, self._since = "body", self.loop.time()
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Takes a part of a body."""
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Begins to wait for the next message."""
        if not self._is_refused:
            super().on_message_complete()
            self._reads, self._since, self._received = "head", None, 0

    def _look(self) -> None:
        """Disconnects a client that takes too long."""
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
        # The application refuses a slow body itself; this ends those it does not read.
        limit = seconds if self._reads == "head" else 2 * seconds
        if now - self._since > limit and not self._received:
            self.transport.close()  # a browser that connected ahead of need
        elif now - self._since > limit:
            self._refuse(408, f"the {self._reads} did not come in {limit:g} s")

    def _refuse(self, status: int, message: str) -> None:
        """Answers, unless an answer is under way, and hangs up."""
        if self._is_refused or self.transport.is_closing():
            return
        self._is_refused = True
        self._metrics.requests.labels("other", status).inc()
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_bytes_of(error(status, message)))
        self.transport.close()


def _bytes_of(answer: Response) -> bytes:
    """An answer as it is sent where there is no application to send it."""
    headers = b"".join(
        name + b": " + value + b"\r\n"
        for name, value in answer.raw_headers
        if name != b"connection"
    )
    head = STATUS_LINE[answer.status_code] + headers + b"connection: close\r\n\r\n"
    return head + bytes(answer.body)
