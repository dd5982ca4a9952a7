"""Executes one run, from the data to the verdict, and records it.

TFX is imported only when a run starts: it takes seconds.
"""

import dataclasses
import functools
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from components.anomaly_gate.schema import CURATED_SCHEMA
from components.catalogue_gen.reader import paths_read
from components.live_models.versions import VersionError
from components.ratings_example_gen import BadInputError, recognise_ratings
from pipeline import tfx_imports
from pipeline.config.data_settings import data_settings, settings_to_look
from pipeline.config.errors import ConfigError
from pipeline.config.sections import PipelineConfig, is_tuned
from pipeline.context_advice import describe_context, warnings_of_context
from pipeline.repeats_advice import describe_repeats, warnings_of_repeats
from pipeline.runs import finished_runs, repetition, workers
from pipeline.runs.capacity import Limits, beam_processes, capacity
from pipeline.runs.collect import Ended, collect
from pipeline.runs.metadata_store import METADATA_FILE, open_metadata, prepare
from pipeline.runs.record import RUN_FILE, RunRecord, write_record
from pipeline.runs.source_files import SNAPSHOTS, SourceFiles, source_files
from pipeline.runs.span_record import Window
from pipeline.runs.step_log import PROGRESS_LOGGER
from pipeline.runs.step_outputs import find_outputs
from pipeline.runs.step_result import StepResult
from trainer_modules.configs.base import IN_ORDER
from trainer_modules.configs.parse import parse
from trainer_modules.registry import MODELS, parts_of

if TYPE_CHECKING:  # TFX takes seconds to import
    from components.ratings_example_gen.recognise.layout import Layout
    from components.ratings_example_gen.recognise.reading import Reading
    from components.ratings_example_gen.side_files.tables import SideTables
    from pipeline.pipeline import Stages
    from pipeline.runs.step_outputs import Outputs


class Observer(Protocol):
    """Is notified of the progress of a run."""

    def steps(self, names: list[str]) -> None:
        """Receives the names of all steps, in the order of execution."""

    def progress(self, description: str, done: int, total: int | None) -> None:
        """Receives the progress of a download or an archive, in bytes."""

    def reading(self, reading: "Reading") -> None:
        """Receives how the ratings will be read, before any is read."""

    def side_files(self, tables: "SideTables") -> None:
        """Receives how the files of items and users will be read."""

    def started(self, name: str) -> None:
        """Receives the name of a step that starts."""

    def ended(self, result: StepResult) -> None:
        """Receives the result of a step that ended or was skipped."""


def _check_tuned(config: PipelineConfig) -> None:
    for name in config.models:
        folder = Path(config.out, "artifacts", f"Tuner_{name}", "best_hyperparameters")
        if is_tuned(config, name) and not any(folder.glob("*/*")):
            raise ConfigError(
                None,
                None,
                f"models.{name}.tuned",
                f"no settings of {name} have been found in {config.out}: run "
                f"`marquee tune --models {name}` there first, or remove the setting",
            )


class _Data(NamedTuple):
    """The ratings of a run: their folder, the spans of it, and how they are read."""

    folder: Path | str
    spans: Sequence[str]
    layout: "Layout | None"


def execute(
    config: PipelineConfig,
    run_id: str,
    observer: Observer,
    window: Window | None = None,
    layout: "Layout | None" = None,
    tunes: bool = False,
) -> RunRecord:
    """Runs the pipeline and writes ``runs/<run_id>/run.json``.

    A step that fails is part of the record, not an exception.

    Args:
        config: The settings.
        run_id: ID of the run.
        observer: Is notified of the progress.
        window: The spans to learn from; None where the data is not a folder of spans.
        layout: How the ratings will be read; None to recognise them.
        tunes: Whether the models with ``tuned: auto`` are tuned first.

    Returns:
        The record, as ``finished_runs.read`` returns it.

    Raises:
        BadInputError: If a file of items or users is not recognised.
        ConfigError: If a model cannot be built for this data, or is to take settings
            that were never found.
        DatasetError: If the data does not exist.
        MetadataError: If the metadata store is damaged or locked.
        SchemaError: If the schema cannot be used.
    """
    started = time.time()
    if not tunes:
        _check_tuned(config)
    given = config.data
    source = _source_files(config, observer)
    config = source.config
    spans = window.names if window else ()
    layout = layout or recognised(config, source.folder, spans)
    read = None
    if layout:
        config = usable_models(config, layout)
        tables = _check_reading(config, source.folder, spans, layout, observer)
        read = functools.partial(_inputs, config, source.folder, layout, tables)
    out = Path(config.out).absolute()
    out.mkdir(parents=True, exist_ok=True)
    moved_from = prepare(out)
    if moved_from:
        logging.warning("%s was moved or copied from %s", out, moved_from)
    # A retraining finds out by its spans that it has nothing new.
    before = read() if read and window is None else None
    if before and (last := _repeated(out, before)):
        steps, outputs = _repeat(out, last, run_id, observer)
    else:
        data = _Data(source.folder, spans, layout)
        stages: Stages = "tune and train" if tunes else "train"
        steps, outputs = _run_steps(config, data, run_id, observer, stages)
    _log_errors(steps)
    ended = Ended(run_id, started, moved_from, source, window, steps)
    path = out / "runs" / run_id / RUN_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    recorded = msgspec.structs.replace(config, data=given)
    write_record(path, collect(recorded, ended, outputs))
    if read and before and (after := read()):
        repetition.remember(out, run_id, before, after, steps)
    return finished_runs.read(Path(config.out), run_id)


def tune(
    config: PipelineConfig, run_id: str, observer: Observer
) -> "tuple[list[StepResult], Outputs]":
    """Tunes the models, and returns how each step ended and what it wrote.

    Args:
        config: The settings.
        run_id: ID of the run.
        observer: Is notified of the progress.

    Raises:
        BadInputError: If a file of items or users is not recognised.
        ConfigError: If a model cannot be built for this data.
        DatasetError: If the data does not exist.
        MetadataError: If the metadata store is damaged or locked.
        SchemaError: If the schema cannot be used.
    """
    source = _source_files(config, observer)
    config = source.config
    layout = recognised(config, source.folder, ())
    if layout:
        config = usable_models(config, layout)
        _check_reading(config, source.folder, (), layout, observer)
    out = Path(config.out).absolute()
    out.mkdir(parents=True, exist_ok=True)
    prepare(out)
    data = _Data(source.folder, (), layout)
    steps, outputs = _run_steps(config, data, run_id, observer, "tune")
    _log_errors(steps)
    return steps, outputs


def _source_files(config: PipelineConfig, observer: Observer) -> SourceFiles:
    """Returns the files of the data, and shows what was read from databases."""
    folder = Path(config.out, SNAPSHOTS)
    source = source_files(config, folder, observer.progress)
    for role, snapshot in source.snapshots.items():
        if role not in ("ratings", "items", "users"):
            continue  # a span, perhaps of many
        logging.getLogger(PROGRESS_LOGGER).info("%s: %s", role.capitalize(), snapshot)
    return source


def _log_errors(steps: Sequence[StepResult]) -> None:
    for step in steps:
        if step.error:
            logging.error("%s failed", step.name, exc_info=step.error)


def _limits(config: PipelineConfig, layout: "Layout | None") -> Limits:
    """Returns what may run at once, and shows why."""
    size = sum(part.size for part in layout.ratings) if layout else 0
    at_once = capacity(config.run, size)
    processes = beam_processes(config.beam, at_once, size)
    log = logging.getLogger(PROGRESS_LOGGER)
    log.info("%s", at_once)
    if processes > 1:
        log.info(
            "Processes of a step over all ratings: %d (%.0f MB of ratings; "
            "beam.processes=1 uses one)",
            *(processes, size / 1e6),
        )
    return Limits(at_once.jobs, processes)


def _check_reading(
    config: PipelineConfig,
    data: Path | str,
    spans: Sequence[str],
    layout: "Layout",
    observer: Observer,
) -> "SideTables":
    """Shows how the data will be read, and returns the files of items and users."""
    if layout.reading:
        observer.reading(layout.reading)
    tables = _side_tables(config, data, spans, layout)
    observer.side_files(tables)
    log = logging.getLogger(PROGRESS_LOGGER)
    log.info("%s", describe_repeats(config))
    if context := describe_context(config):
        log.info("%s", context)
    for warning in (*warnings_of_repeats(config), *warnings_of_context(config)):
        log.info("Warning: %s", warning)
    return tables


def _inputs(
    config: PipelineConfig, data: Path | str, layout: "Layout", tables: "SideTables"
) -> repetition.Inputs | None:
    """Returns what a run with nothing new has in common with the last one.

    None if it cannot be read: the step that needs it reports that better.
    """
    parts = [*layout.ratings, *([tables.users.part] if tables.users else [])]
    items = paths_read(tables.items.part) if tables.items else []
    rules = [config.lists.rules] if config.lists.rules else []
    try:
        return repetition.read_inputs(
            config,
            data,
            sorted({*items, *(part.path for part in parts), *rules}),
            Path(config.schema.path or CURATED_SCHEMA),
        )
    except (BadInputError, OSError, VersionError):
        return None


def _repeated(out: Path, inputs: repetition.Inputs) -> repetition.Repetition | None:
    """Returns the run that this one repeats; None if there is none, or in doubt."""
    try:
        return repetition.find(out, inputs)
    except Exception:  # TFX decides, or reports the problem
        logging.exception("The last run is not compared.")
        return None


def _run_steps(
    config: PipelineConfig,
    data: _Data,
    run_id: str,
    observer: Observer,
    stages: "Stages",
) -> "tuple[list[StepResult], Outputs]":
    observer.progress("loading TensorFlow and TFX", 0, None)
    limits = _limits(config, data.layout)
    if max(limits) > 1:
        workers.start_importing()  # while this process imports TFX, too
    with tfx_imports.quick():
        from ml_metadata import MetadataStore
        from tfx import v1 as tfx

        from pipeline.pipeline import Places, create_pipeline
        from pipeline.runs.local_runner import run_locally
        from pipeline.stages.prepare import Source

    out = Path(config.out).absolute()
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        str(out / METADATA_FILE)
    )
    places = Places(
        str(out / "artifacts"),
        str(out / "live"),
        Path(config.schema.path or CURATED_SCHEMA),
        connection,
    )
    source = Source(str(data.folder), data.spans)
    pipeline = create_pipeline(config, source, places, stages)
    observer.steps([component.id for component in pipeline.components])
    steps = run_locally(pipeline, run_id, observer.started, observer.ended, *limits)
    return steps, find_outputs(MetadataStore(connection), run_id)


def _repeat(
    out: Path, last: repetition.Repetition, run_id: str, observer: Observer
) -> "tuple[list[StepResult], Outputs]":
    observer.steps(list(last.names))
    steps = last.record(run_id, observer.started, observer.ended)
    return steps, find_outputs(open_metadata(out / METADATA_FILE), run_id)


def recognised(
    config: PipelineConfig, data: Path | str, spans: Sequence[str]
) -> "Layout | None":
    """Returns how the ratings will be read; None if they cannot be.

    That is an error of the first step, which reports it better.
    """
    settings = dataclasses.replace(data_settings(config), spans=tuple(spans))
    try:
        return recognise_ratings(data, settings)
    except BadInputError:
        return None


def _side_tables(
    config: PipelineConfig, data: Path | str, spans: Sequence[str], layout: "Layout"
) -> "SideTables":
    from components.ratings_example_gen.side_files.tables import (
        side_tables_of,
        with_first_matches,
    )

    settings = dataclasses.replace(settings_to_look(config), spans=tuple(spans))
    return with_first_matches(side_tables_of(str(data), settings, layout), layout)


def _learns_order(name: str, config: PipelineConfig) -> bool:
    spec = MODELS[name]
    parts = parts_of(parse(spec.config_class, config.models[name]))
    return any(one.task in IN_ORDER for one in (spec, *(p for p, _ in parts.values())))


def usable_models(config: PipelineConfig, layout: "Layout") -> PipelineConfig:
    """Checks that the models can be built for the data, before anything is started.

    Returns:
        The configuration. If it has the default models, those that the data does not
        allow are left out.

    Raises:
        ConfigError: If a model learns from the order of ratings that have no times, or
            is to read fields of these times.
    """
    if config.context.fields and not layout.has_timestamps:
        raise ConfigError(
            None,
            None,
            "context.fields",
            f"{', '.join(config.context.fields)} is read from the times of ratings, "
            f"and {layout.ratings[0].name} has no column of times. Name one, as in "
            "--column timestamp=when, or remove the setting",
        )
    in_order = [name for name in config.models if _learns_order(name, config)]
    if not in_order or layout.has_timestamps:
        return config
    others = {name: own for name, own in config.models.items() if name not in in_order}
    file = layout.ratings[0].name
    if config.models == PipelineConfig().models:
        logging.getLogger(PROGRESS_LOGGER).info(
            "Left out: %s, because %s has no column of times to learn the order from",
            *(", ".join(in_order), file),
        )
        return msgspec.structs.replace(config, models=others)
    raise ConfigError(
        None,
        None,
        f"models.{in_order[0]}",
        f"{', '.join(in_order)} learns the order of ratings, and {file} has no column "
        "of times. Name one, as in --column timestamp=when, or leave them out with "
        f"--models {','.join(others)}",
    )
