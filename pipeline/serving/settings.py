"""What an operator chooses."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class ServingSettings:
    """Limits of the server.

    Attributes:
        host: Address to listen at.
        port: Of it; 0 takes any that is free.
        max_batch: Rows that one call of the model has at most; a request of more rows
            is answered in several calls.
        max_rows: Rows of a request (413).
        max_items: Rows of a request times the items of its longest row, in the request
            or in its answer (413).
        batch_ms: How long a request waits for others while the model has nothing to do.
        max_waiting: Requests that wait for the model; one more is refused (429).
        timeout: Seconds that a request may take, the reading of its body apart (504),
            and seconds that its body may take (408).
        max_body: Bytes of a request's body (413).
        max_bodies: Bytes of the bodies of all requests that are not answered yet (429).
        poll_seconds: Between two looks for another version or another run.
        drain_seconds: That requests have to end in after SIGTERM.
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
