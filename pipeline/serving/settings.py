"""Settings of the server."""

import dataclasses
from pathlib import Path
from typing import Literal

Holds = Literal["both", "live", "trial"]

MAX_POOL = 100  # items that places are drawn from; a cursor has most of their IDs


@dataclasses.dataclass(frozen=True)
class ServingSettings:
    """Address and limits of the server.

    Attributes:
        host: Address to listen on.
        port: Port to listen at; 0 takes any free one.
        max_batch: Maximum number of rows in one call of the model. A request with more
            rows is answered in several calls.
        max_rows: Maximum number of rows in a request (413).
        max_items: Maximum of the rows of a request times the items of its longest row,
            in the request and in its answer (413).
        batch_ms: Time for which a request waits for others while the model is idle.
        max_waiting: Maximum number of requests that wait for the model (429).
        timeout: Seconds that a request may take after its body has arrived (504), and
            seconds that its body may take to arrive (408).
        max_body: Maximum size of a request's body in bytes (413).
        max_bodies: Maximum size of the bodies of all unanswered requests (429).
        poll_seconds: Seconds between two checks for another version or another run.
        drain_seconds: Seconds that running requests have to end after SIGTERM.
        events: Folder of spans for the events that the server receives; None if it
            receives none.
        holds: Which versions of a trial the server holds.
        log_share: Share of the lists that are logged, 0 to 1.
        explore: Number of the last places of a page that are drawn at random, and of
            the items that they are drawn from, at most ``MAX_POOL``.
        redacted: Fields that are left out of logged lists, or hashed.
    """

    host: str = "127.0.0.1"
    port: int = 8501  # TensorFlow Serving's
    max_batch: int = 32
    max_rows: int = 1024
    max_items: int = 1 << 18
    batch_ms: float = 2.0
    max_waiting: int = 256
    timeout: float = 10.0
    max_body: int = 4 << 20
    max_bodies: int = 64 << 20
    poll_seconds: float = 1.0
    drain_seconds: int = 20
    events: Path | None = None
    holds: Holds = "both"
    log_share: float = 0.0
    explore: tuple[int, int] = (0, 0)
    redacted: tuple[str, ...] = ()
