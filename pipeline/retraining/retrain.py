"""Retrains once on new spans; a significantly better model goes live."""

import datetime
import hashlib
import logging
from pathlib import Path

import msgspec

from components.ratings_example_gen import files
from components.ratings_example_gen.recognise.layout import Layout
from components.ratings_example_gen.recognise.reading_report import check_same
from components.ratings_example_gen.spans import SpansError
from pipeline.config.mlflow_section import MlflowConfig
from pipeline.config.sections import PipelineConfig, RunConfig
from pipeline.datasets import NAMES, lake_tables, object_store
from pipeline.datasets.databases.address import is_database
from pipeline.retraining import database_spans, spans, tuning
from pipeline.runs import execute
from pipeline.runs.code_version import version_of_all
from pipeline.runs.record import RunRecord
from pipeline.runs.source_files import SNAPSHOTS, spans_folder
from pipeline.runs.span_record import Window
from pipeline.runs.status import Status
from pipeline.runs.step_log import PROGRESS_LOGGER

# Results after which the same spans are not trained on again.
VERDICTS = (Status.CHANGED, Status.ON_TRIAL, Status.UNCHANGED, Status.REFUSED)
DRIFT_GATE = "DriftGate"
_log = logging.getLogger(PROGRESS_LOGGER)


def plan(config: PipelineConfig, accepted: tuple[str, ...]) -> Window:
    """Chooses the spans of ``data.source`` to train on.

    Raises:
        SpansError: If there are none, or they are unreadable.
        ChangedSpanError: If a span has changed since an earlier retraining.
        ConfigError: If the window cannot be satisfied.
    """
    if is_database(config.data.source):
        today = datetime.datetime.now(datetime.UTC).date()
        database_spans.copy_days(config, today, lambda *_: None)
    folder = _folder(config)
    if config.data.source in NAMES or not (isinstance(folder, str) or folder.is_dir()):
        raise SpansError(
            f"{config.data.source} is not a folder of spans. Name one, e.g. "
            "marquee retrain --data spans"
        )
    taken_in = spans.TakenIn.read(Path(config.out))
    if config.retrain.drift == "warn":
        taken_in.held.clear()  # nothing is held back
    return spans.plan(folder, config.retrain.window, taken_in, accepted)


def last_verdict(config: PipelineConfig, window: Window) -> spans.LastVerdict | None:
    """Returns the last retraining if it had the same spans and settings, else None."""
    last = spans.TakenIn.read(Path(config.out)).last
    is_same = (
        last is not None
        and last.fingerprints == window.fingerprints
        and last.settings == _settings(config)
    )
    return last if is_same else None


def retrain(
    config: PipelineConfig,
    window: Window,
    run_id: str,
    observer: execute.Observer,
) -> RunRecord:
    """Runs the pipeline on the window's spans and records them.

    A run that stopped (bad input, an anomaly, a failed step) is not recorded: the next
    retraining tries the same spans again. After drift, the newest span is held back.

    Returns:
        The record of the run, as returned by ``execute.execute``.

    Raises:
        BadInputError: If the spans would be read differently from the earlier ones.
    """
    out = Path(config.out)
    taken_in = spans.TakenIn.read(out)
    layout = check_reading(config, window, taken_in)
    reason = tuning.reason_to_tune(config, taken_in.tuning)
    if reason:
        _log.info("The models are tuned first: %s", reason)
    record = execute.execute(
        config, run_id, observer, window, layout, tunes=bool(reason)
    )
    status, reading = record.run.status, record.data.reading
    if status in VERDICTS:
        taken_in.tuning = tuning.after(taken_in.tuning, record, bool(reason))
        taken_in.add(
            window,
            _settings(config),
            run_id,
            status,
            reading,
        )
        taken_in.write(out)
    elif any(
        step.name == DRIFT_GATE and step.state == "failed" for step in record.steps
    ):
        newest = window.names[-1]
        taken_in.held[newest] = window.fingerprints[newest]
        taken_in.write(out)
    return record


def check_reading(
    config: PipelineConfig, window: Window, taken_in: spans.TakenIn
) -> Layout | None:
    """Refuses spans that would be read differently from earlier ones by a guess.

    Returns:
        How the spans will be read; None if they are not recognised.

    Raises:
        BadInputError: If the readings differ in a setting that was guessed.
    """
    folder = _folder(config)
    place = folder if isinstance(folder, str) else folder.absolute()
    layout = execute.recognised(config, place, window.names)
    if taken_in.reading and layout and layout.reading:
        check_same(taken_in.reading, layout.reading, config.data.source)
    return layout


def _folder(config: PipelineConfig) -> Path | str:
    """Returns the path of the spans, or their address in an object store.

    Raises:
        DatasetError: If the object store cannot be read, or this is a table's folder.
    """
    source = config.data.source
    if is_database(source):
        return spans_folder(Path(config.out, SNAPSHOTS), source)
    if files.is_remote(source):
        return object_store.existing(source)
    lake_tables.check_folder(Path(source))
    return Path(source)


def _settings(config: PipelineConfig) -> str:
    """Returns a hash of everything except the ratings that influences training.

    The folder of the runs does not: it may be moved, or restored elsewhere. Neither
    does how many steps run at once, where the result is copied to, or whether drift
    would have stopped the run.
    """
    anywhere = msgspec.structs.replace(
        config,
        out="",
        run=RunConfig(),
        mlflow=MlflowConfig(),
        retrain=msgspec.structs.replace(config.retrain, drift="stop"),
    )
    digest = hashlib.sha256(msgspec.json.encode(anywhere, order="deterministic"))
    digest.update(version_of_all().encode())
    return digest.hexdigest()
