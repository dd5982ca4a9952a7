"""The records of a model's lineage."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from components.live_models.version_ledger import Transition


@dataclasses.dataclass(frozen=True)
class Step:
    """A step, at the time when it last ran rather than came from the cache.

    Attributes:
        name: Name of the step, such as ``Trainer_mf_als``.
        run: ID of the run in which it ran; later runs took it from the cache.
        started: Start time, ISO 8601 in UTC.
        seconds: Duration.
        code: Hash of the project's sources that it used; None if it used none.
    """

    name: str
    run: str
    started: str
    seconds: float
    code: str | None


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """A file of ratings at the time when it was read.

    Attributes:
        name: Path, followed by the member if the file is an archive.
        bytes: Size in bytes, unpacked if that is known.
        rows: Number of rows, valid and invalid.
    """

    name: str
    bytes: int
    rows: int


@dataclasses.dataclass(frozen=True)
class Data:
    """The data on which the model was trained.

    Attributes:
        source: Folder of the ratings.
        fingerprint: SHA-256 of its files' names and bytes; for remote files, of the
            metadata in their store.
        items: Source of the items' features; "" if there is none.
        items_fingerprint: The same hash of that source.
        schema: File of the schema with which the ratings were checked.
        spans: SHA-256 of the bytes by span, None if it was not recorded; oldest first,
            and empty if the ratings are not divided into spans.
        files: Files of the ratings.
        counts: ``read``, ``kept``, ``quarantined``, ``duplicates``, ``merged``,
            ``truncated``, ``users``, ``items``, ``first`` and ``last`` (seconds UTC).
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
    """Why the gate accepted the model.

    Attributes:
        rule: The rule that decided, in words.
        metric: Name of the metric that decided.
        metrics: Metrics of the model on all users of the test split.
        intervals: Lower and upper bound of some of these metrics.
        instead_of: Name of the model that was live then; None if there was none.
    """

    rule: str
    metric: str
    metrics: dict[str, float | None]
    intervals: dict[str, list[float]]
    instead_of: str | None


@dataclasses.dataclass(frozen=True)
class Lineage:
    """The history of a version, back to the files.

    Attributes:
        version: Number of the version.
        model: Name of the model in the registry.
        is_live: Whether the version is served now.
        since: When it went live, ISO 8601 in UTC.
        restored: For a version that a rollback restored: the number of the version
            that it is a copy of, whose lineage this is. None for a pushed one.
        origin: Place of the Model artifact that it is a copy of.
        run: ID of the run that pushed it, or the version that it was restored from.
        warm_start: Where training started, from the model card; None for a cold start.
        configuration: Settings by step, of all steps that influence training. They do
            not include the choice of the data.
        configuration_hash: SHA-256 of the configuration.
        data: The data on which the model was trained.
        steps: The steps from the ratings to Pusher, in the order in which they ran.
        judgement: Why the gate accepted the model; None if Champion's artifact has been
            removed.
        trial: Steps of its trial, the oldest first; empty without one.
    """

    version: int
    model: str
    is_live: bool
    since: str
    restored: int | None
    origin: str
    run: str
    warm_start: Mapping[str, str | int] | None
    configuration: dict[str, dict[str, Any]]
    configuration_hash: str
    data: Data
    steps: list[Step]
    judgement: Judgement | None
    trial: list[Transition]
