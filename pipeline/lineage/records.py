"""What is told of a model's lineage."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Step:
    """Something that a step made, when it last really ran.

    Attributes:
        name: Of the step, as ``Trainer_mf_als``.
        run: Id of the run in which it ran; later runs took it from the cache.
        started: ISO 8601 in UTC.
        seconds: From start to end.
        code: Hash of the sources of ours that it used; None where it used none.
    """

    name: str
    run: str
    started: str
    seconds: float
    code: str | None


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """A file of ratings as it was when it was read.

    Attributes:
        name: Path, with the member of an archive.
        bytes: Of it, unpacked where that is known.
        rows: Good and bad ones.
    """

    name: str
    bytes: int
    rows: int


@dataclasses.dataclass(frozen=True)
class Data:
    """What the model learned from.

    Attributes:
        source: Folder of the ratings.
        fingerprint: SHA-256 of its files' names and bytes; for remote files, of what
            their store keeps about them.
        items: Where the items' features are from; "" for none.
        items_fingerprint: Of that, in the same way.
        schema: File that the ratings were checked with.
        spans: Name → SHA-256 of the bytes, None where that was not written down; the
            oldest first; empty where the ratings are no spans.
        files: Of the ratings.
        counts: ``read``, ``kept``, ``quarantined``, ``duplicates``, ``truncated``,
            ``users``, ``items``, ``first`` and ``last`` (seconds UTC).
    """

    source: str
    fingerprint: str
    items: str
    items_fingerprint: str
    schema: str
    spans: dict[str, str | None]
    files: list[SourceFile]
    counts: dict[str, int | None]


@dataclasses.dataclass(frozen=True)
class Judgement:
    """Why the gate let it live.

    Attributes:
        rule: In words.
        metric: That decides.
        metrics: Of the model, on all users of the test split.
        intervals: Of some of them, lower and upper end.
        instead_of: The model that was live then; None where none was.
    """

    rule: str
    metric: str
    metrics: dict[str, float | None]
    intervals: dict[str, list[float]]
    instead_of: str | None


@dataclasses.dataclass(frozen=True)
class Lineage:
    """From a version back to the files.

    Attributes:
        version: Number of the folder that was asked about.
        model: Name in the registry.
        is_live: Whether it serves now.
        since: When it went live, ISO 8601 in UTC.
        restored: The version that a rollback took it from, whose lineage this is; None
            for a pushed one.
        origin: The Model artifact that it is a copy of.
        run: Id of the run that put it (or what it was restored from) live.
        warm_start: Where training started, as the model card says; None from scratch.
        configuration: Step → settings of it, of all that decide what is learned; which
            data is not part of them.
        configuration_hash: SHA-256 of that.
        data: What it learned from.
        steps: From the ratings to Pusher, in the order in which they ran.
        judgement: None where Champion's artifact is gone.
    """

    version: int
    model: str
    is_live: bool
    since: str
    restored: int | None
    origin: str
    run: str
    warm_start: dict[str, Any] | None
    configuration: dict[str, dict[str, Any]]
    configuration_hash: str
    data: Data
    steps: list[Step]
    judgement: Judgement | None
