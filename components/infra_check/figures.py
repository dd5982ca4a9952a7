"""The verdict on a model that is to serve, and what was measured (``checked.json``)."""

import msgspec


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a model answered one request of the serving check.

    Attributes:
        error: What was wrong with the answer; None if nothing was.
        num_scores: Number of scores in the answer; None for a request that was refused,
            as it should be.
        median_ms: Median latency, in milliseconds.
        worst_ms: Largest latency, in milliseconds.
    """

    error: str | None = None
    num_scores: int | None = None
    median_ms: float | None = None
    worst_ms: float | None = None


class ServingCheck(msgspec.Struct, frozen=True, omit_defaults=True):
    """The verdict on whether the champion can serve.

    Attributes:
        check: The check that ran: ``process``, ``docker`` or ``kubernetes``; None if
            none did.
        blessed: Whether the champion may be pushed.
        problems: Why it may not be pushed, as sentences.
        size_bytes: Size of the model's files.
        load_seconds: How long loading took, in seconds.
        peak_bytes: Largest resident memory.
        answers: Answers by the name of the request.
    """

    check: str | None
    blessed: bool
    problems: list[str]
    size_bytes: int | None = None
    load_seconds: float | None = None
    peak_bytes: int | None = None
    answers: dict[str, Answer] = {}
