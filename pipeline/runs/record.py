"""The record of a run: the only code that reads or writes ``run.json``.

The classes' fields are the keys of ``run.json`` and of ``marquee show --json``. A field
that an earlier release did not write has a default, so that its runs can still be read.
``SCHEMA_VERSION`` grows when a key is renamed, removed or given another meaning.
"""

import json
import math
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from components import durable_files
from components.ratings_example_gen.recognise.reading import Reading
from pipeline.datasets.databases.snapshot import Snapshot
from pipeline.runs.model_record import GateRecord, ModelRecord
from pipeline.runs.span_record import Spans
from pipeline.runs.status import Status

RUN_FILE = "run.json"
SCHEMA_VERSION = 1  # a file without a version is from before there were any

Section = TypeVar("Section", bound=msgspec.Struct)


class RecordError(Exception):
    """A run's record cannot be read."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """The run itself.

    Attributes:
        id: The run's ID, its start as ``YYYYMMDD-HHMMSS`` in UTC.
        started: Start of the run, ISO 8601 in UTC.
        seconds: Duration, in seconds.
        out: Folder of the runs.
        moved_from: Where the folder of the runs was at the previous run, if it was
            moved or copied since.
        status: The result.
        log: Path of the log.
    """

    id: str
    started: str
    seconds: float
    out: str
    moved_from: str | None = None
    status: Status
    log: str


class SideFile(msgspec.Struct, frozen=True):
    """How well a file of items or users fits the ratings.

    Attributes:
        file: Path of the file.
        rated: Number of rated items, or of users.
        matched: Number of them that the file describes.
        first_missing: The first IDs that the file does not describe.
        repeated: Number of rows that a later row for the same ID overruled.
    """

    file: str
    rated: int
    matched: int
    first_missing: list[str]
    repeated: int


class DataRecord(msgspec.Struct, frozen=True):
    """The data that was read; only the source is known if reading failed.

    Attributes:
        source: Name of a data set, or path of the ratings.
        users: Number of users.
        items: Number of items.
        items_first_rated_in_test: How many of them train and eval have no rating of.
        ratings: Number of ratings that were kept.
        duplicate_users: Number of users who have exactly the ratings of another.
        sparsity: Share of user-item pairs without a rating, in [0, 1]; None with types
            of events.
        first: Time of the oldest rating, ISO 8601 in UTC; None without times.
        last: Time of the newest rating, ISO 8601 in UTC; None without times.
        one_label: The consequences if every rating has the same label, as sentences.
        reading: How the ratings were read; None if their file names determine it.
        late_keys: Unread keys of JSON objects → number of rows that have them.
        items_file: Fit of the items' file; None if there is none.
        users_file: Fit of the users' file; None if there is none.
        event_types: Type of events → number of rows that were kept.
        snapshots: What was read from databases: ratings, items, users or the name of a
            span → the rows.
    """

    source: str
    users: int | None = None
    items: int | None = None
    items_first_rated_in_test: int | None = None
    ratings: int | None = None
    duplicate_users: int | None = None
    sparsity: float | None = None
    first: str | None = None
    last: str | None = None
    one_label: str | None = None
    reading: Reading | None = None
    late_keys: dict[str, int] = {}
    items_file: SideFile | None = None
    users_file: SideFile | None = None
    event_types: dict[str, int] = {}
    snapshots: dict[str, Snapshot] = {}


class Rows(msgspec.Struct, frozen=True):
    """Numbers of rows: ``read`` is the sum of the others; None if reading failed."""

    read: int | None = None
    kept: int | None = None
    quarantined: int | None = None
    duplicates: int | None = None
    truncated: int | None = None
    merged: int | None = None


class StepRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How one step ended.

    Attributes:
        name: Name of the step.
        state: How it ended.
        seconds: Duration, in seconds.
        cached: Whether the outputs are those of an earlier run.
        error: The error of a failed step.
        peak_memory: Peak memory of the process that ran it, in bytes, without Beam's
            other processes; None if nothing ran, or in runs of an earlier release.
    """

    name: str
    state: Literal["done", "cached", "failed", "skipped"]
    seconds: float
    cached: bool = False
    error: str | None = None
    peak_memory: int | None = None


class Live(msgspec.Struct, frozen=True):
    """The version that is live after the run; None where nothing is.

    Attributes:
        version: Number of the version.
        model: Name of the model.
    """

    version: str | None = None
    model: str | None = None


class Serves(msgspec.Struct, frozen=True, omit_defaults=True):
    """The data that the live version serves from.

    Attributes:
        run: ID of the run that read them.
        source: Their source.
        problem: Why there are none; the other two are None then.
    """

    run: str | None = None
    source: str | None = None
    problem: str | None = None


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a run leaves behind for people and programs.

    Attributes:
        run: The run itself.
        config: The settings as they were written. Another release may have other
            settings, so they are read with ``section`` or compared key by key.
        data: The data that was read.
        spans: The spans of a retraining; None for any other run.
        rows: Numbers of rows.
        steps: How each step ended, in the order of execution.
        models: The result of each model, in the order of the configuration.
        not_pushed: Why the champion was not pushed; empty if it was, or there is none.
        on_trial: Number of the version that the run put on trial; None if none.
        live: The version that is live after the run.
        serves: The data that the live version serves from; None if nothing is live.
        gate: What the gate compared.
        changed: Whether the run made a new version live.
        schema_version: Version of this layout.
    """

    run: About
    config: dict[str, Any]
    data: DataRecord
    spans: Spans | None = None
    rows: Rows
    steps: list[StepRecord]
    models: list[ModelRecord]
    not_pushed: str = ""
    on_trial: int | None = None
    live: Live
    serves: Serves | None = None
    gate: GateRecord = GateRecord()
    changed: bool = False
    schema_version: int = 0

    def section(self, name: str, kind: type[Section]) -> Section:
        """Returns a section of the configuration, as far as this release has it."""
        values = self.config.get(name, {})
        known = {key: values[key] for key in kind.__struct_fields__ if key in values}
        return msgspec.convert(known, kind)


def write_record(path: Path, record: RunRecord) -> None:
    """Writes a record; what could not be measured is null, as JSON has no NaN."""
    text = json.dumps(_without_nan(msgspec.to_builtins(record)), indent=1)
    durable_files.write(path, text)


def read_record(path: Path) -> RunRecord:
    """Reads a record.

    Raises:
        FileNotFoundError: If there is no such file.
        RecordError: If the file is damaged, or a newer release wrote it.
    """
    try:
        written = json.loads(path.read_text())
        version = written.get("schema_version", 0)
        if version <= SCHEMA_VERSION:
            return msgspec.convert(written, RunRecord)
    except (
        *(ValueError, TypeError, AttributeError, RecursionError),
        msgspec.ValidationError,
    ) as error:
        raise RecordError(
            f"{path} cannot be read ({error}). Restore it from a backup, or move its "
            "folder away"
        ) from error
    raise RecordError(
        f"{path} was written by a newer release: its schema version is {version}, and "
        f"this release reads up to {SCHEMA_VERSION}. Upgrade Marquee to read it"
    )


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
