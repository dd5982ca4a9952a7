"""One run from data to verdict, and reading it again.

Imports TFX only to execute: ``marquee show`` has no time for it.
"""

import dataclasses
import datetime
import gc
import json
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from components import durable_files
from components.anomaly_gate.schema import CURATED_SCHEMA
from components.live_models import versions
from components.ratings_example_gen import BadInputError, recognise_ratings
from pipeline import datasets, exit_codes
from pipeline.config.data_settings import data_settings
from pipeline.config.errors import ConfigError
from pipeline.config.schema import LabelConfig, PipelineConfig
from pipeline.retraining.spans import Window
from pipeline.runs.metadata_store import (
    METADATA_FILE,
    artifact_folder,
    open_metadata,
    prepare,
)
from pipeline.runs.side_file_fit import overlaps
from pipeline.runs.single_class import explain_one_label
from trainer_modules import features as f
from trainer_modules.registry import MODELS

if TYPE_CHECKING:  # TFX takes seconds to import
    from ml_metadata import MetadataStore

    from components.ratings_example_gen.recognise.layout import Layout
    from components.ratings_example_gen.recognise.reading_report import Reading
    from components.ratings_example_gen.side_files.tables import SideTables
    from pipeline.runs.local_runner import StepResult

RUN_FILE = "run.json"

# The status of a run → what `marquee run` exits with.
CHANGED = "a new model is live"
UNCHANGED = "nothing changed"
BAD_INPUT = "the input is bad"
ANOMALIES = "the data has anomalies"
REFUSED = "every model was refused"
FAILED = "a step failed"
EXIT_STATUS = {
    CHANGED: exit_codes.OK,
    UNCHANGED: exit_codes.OK,
    BAD_INPUT: exit_codes.BAD_INPUT,
    ANOMALIES: exit_codes.ANOMALIES,
    REFUSED: exit_codes.REFUSED,
    FAILED: exit_codes.FAILED,
}


class RunNotFoundError(LookupError):
    """There is no such run in the output folder."""


class Observer(Protocol):
    """Whoever watches a run."""

    def steps(self, names: list[str]) -> None:
        """All steps, in the order in which they will run."""

    def progress(self, description: str, done: int, total: int | None) -> None:
        """Bytes of a download or of an archive."""

    def reading(self, reading: "Reading") -> None:
        """How the ratings will be read, before anything is."""

    def side_files(self, tables: "SideTables") -> None:
        """How the files of items and users will be read."""

    def started(self, name: str) -> None:
        """A step runs."""

    def ended(self, result: "StepResult") -> None:
        """A step ended, or was skipped."""


def execute(
    config: PipelineConfig,
    run_id: str,
    observer: Observer,
    window: Window | None = None,
    layout: "Layout | None" = None,
) -> dict[str, Any]:
    """Runs everything, and writes the run's object to ``runs/<run_id>/run.json``.

    A failing step is part of what came of the run, not an exception.

    Args:
        config: What the person chose.
        run_id: Names the run.
        observer: Is told how it goes.
        window: Of the spans to learn from; None where the data is no folder of spans.
        layout: How the ratings will be read; None to recognise them.

    Returns:
        The object that ``marquee show --json`` prints.

    Raises:
        BadInputError: A file of items or users is not recognised.
        ConfigError: A model cannot be built for this data.
        DatasetError: There is no such data.
        MetadataError: The metadata store is damaged, or locked.
        SchemaError: The schema cannot be used.
    """
    started = time.time()
    dataset = datasets.resolve(config.data.source, observer.progress)
    names = window.names if window else ()
    layout = layout or recognised(config, dataset.folder, names)
    if layout:
        check_models(config, layout)
        if layout.reading:
            observer.reading(layout.reading)
        observer.side_files(_side_tables(config, dataset.folder, names, layout))
    out = Path(config.out).absolute()
    out.mkdir(parents=True, exist_ok=True)
    moved_from = prepare(out)
    if moved_from:
        logging.warning("%s was moved or copied from %s", out, moved_from)

    from tfx import v1 as tfx

    from pipeline.pipeline import create_pipeline
    from pipeline.runs.local_runner import run_locally

    # What the imports made stays for good: the collector need not walk it again and
    # again while Beam makes millions of small objects.
    gc.collect()
    gc.freeze()

    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        str(out / METADATA_FILE)
    )
    pipeline = create_pipeline(
        config,
        str(dataset.folder),
        pipeline_root=str(out / "artifacts"),
        live_folder=str(out / "live"),
        schema_path=Path(config.schema.path or CURATED_SCHEMA),
        spans=names,
        metadata=connection,
    )
    observer.steps([component.id for component in pipeline.components])
    steps = run_locally(pipeline, run_id, observer.started, observer.ended)
    for step in steps:
        if step.error:
            logging.error("%s failed", step.name, exc_info=step.error)

    from ml_metadata import MetadataStore

    outputs = _outputs(MetadataStore(connection), run_id)
    decided = _decision(outputs)
    counts = _counts(outputs)
    infra = _infra(outputs)
    pushed = _pushed(outputs)
    status = _status(steps, decided, infra, pushed)
    run = {
        "run": {
            "id": run_id,
            "started": _iso(started),
            "seconds": time.time() - started,
            "out": config.out,
            "moved_from": str(moved_from) if moved_from else None,
            "status": status,
            "log": str(Path(config.out, "runs", run_id, "run.log")),
        },
        "config": msgspec.to_builtins(config),
        "data": {
            **_data(dataset.name, config.label, counts),
            **overlaps(outputs, counts),
        },
        "spans": window and _spans(window, counts, outputs),
        "rows": {
            name: counts.get(name)
            for name in ("read", "kept", "quarantined", "duplicates", "truncated")
        },
        "steps": [
            {
                "name": step.name,
                "state": step.state,
                "cached": step.state == "cached",
                "seconds": step.seconds,
                "error": str(step.error) if step.error else None,
            }
            for step in steps
        ],
        "models": [
            _model(name, {step.name: step for step in steps}, outputs, decided, infra)
            for name in config.models
        ],
        "not_pushed": pushed["overtaken"],
        "live": live(out / "live"),
        "serves": _serves(out),
        "gate": {
            "metric": decided["metric"],
            "live": decided["live"],
            "serving": infra,
        },
        "changed": status == CHANGED,
    }
    path = out / "runs" / run_id / RUN_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    durable_files.write(path, json.dumps(_without_nan(run), indent=1))
    return run


def recognised(
    config: PipelineConfig, data: Path, spans: Sequence[str]
) -> "Layout | None":
    """Returns how the ratings will be read; None where they cannot be.

    That is an error of the first step, which reports it better.
    """
    settings = dataclasses.replace(data_settings(config), spans=tuple(spans))
    try:
        return recognise_ratings(data, settings)
    except BadInputError:
        return None


def _side_tables(
    config: PipelineConfig, data: Path, spans: Sequence[str], layout: "Layout"
) -> "SideTables":
    from components.ratings_example_gen.side_files.tables import (
        side_tables_of,
        with_first_matches,
    )

    settings = dataclasses.replace(data_settings(config), spans=tuple(spans))
    return with_first_matches(side_tables_of(str(data), settings, layout), layout)


def check_models(config: PipelineConfig, layout: "Layout") -> None:
    """Refuses models that cannot be built for the data, before anything is started.

    Raises:
        ConfigError: A model learns from the order of ratings that have no times.
    """
    in_order = [name for name in config.models if MODELS[name].task == "next_item"]
    if in_order and not layout.has_timestamps:
        others = ",".join(name for name in config.models if name not in in_order)
        raise ConfigError(
            None,
            None,
            f"models.{in_order[0]}",
            f"{', '.join(in_order)} learns what comes next, and "
            f"{layout.ratings[0].name} has no column of times. Name it, as in --column "
            f"timestamp=when, or leave such models out, as in --models {others}",
        )


def read(out: Path, run_id: str | None) -> dict[str, Any]:
    """Reads one run again; the newest one if no id is given.

    Raises:
        RunNotFoundError: If there is none.
    """
    folder = out / "runs"
    known = sorted(path.parent.name for path in folder.glob(f"*/{RUN_FILE}"))
    if not known:
        raise RunNotFoundError(
            f"{out} has no finished run; start one with `marquee run`, or name the "
            "folder with --out"
        )
    chosen = known[-1] if run_id is None else run_id
    if chosen not in known:
        raise RunNotFoundError(
            f"{out} has no finished run {chosen!r}; it has {', '.join(known[-5:])}"
        )
    path = folder / chosen / RUN_FILE
    try:
        run: dict[str, Any] = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise RunNotFoundError(
            f"{path} cannot be read ({error}). Put it back from a backup, or move its "
            "folder away"
        ) from error
    # It was written where the folder was then.
    run["run"] |= {"out": str(out), "log": str(path.with_name("run.log"))}
    return run


def artifacts(out: Path, run_id: str) -> dict[tuple[str, str], Path]:
    """What the run's steps put out, made or cached: (step, output) → folder.

    Only what is still there; nothing where the metadata store is gone.
    """
    if not (out / METADATA_FILE).is_file():
        return {}
    found = _outputs(open_metadata(out / METADATA_FILE), run_id)
    folders = {name: artifact_folder(out, uri) for name, uri in found.items()}
    return {name: folder for name, folder in folders.items() if folder.is_dir()}


def exit_status(run: dict[str, Any]) -> int:
    """What ``marquee run`` exits with."""
    return EXIT_STATUS[run["run"]["status"]]


def live(folder: Path) -> dict[str, Any]:
    """What is live in a folder of versions: ``version`` and ``model``, or None."""
    version = versions.live(folder)
    if version is None:
        return {"version": None, "model": None}
    return {"version": str(version.number), "model": version.model}


def _serves(out: Path) -> dict[str, str] | None:
    """The data that the live version serves from, or why there are none to be had."""
    from pipeline.lineage import NoLineageError, accepted_data

    version = versions.live(out / "live")
    if version is None:
        return None
    try:
        data = accepted_data(out, version)
    except NoLineageError as error:
        return {"problem": str(error)}
    return {"run": data.run, "source": data.source}


def newest(out: Path, step: str, output: str) -> str:
    """The folder of what a step put out last."""
    made = Path(out, "artifacts", step, output).iterdir()
    return str(max(made, key=lambda folder: int(folder.name)))


def _outputs(store: "MetadataStore", run_id: str) -> dict[tuple[str, str], str]:
    """What the run's steps put out, made or cached: (step, output) → folder."""
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    if context is None:
        return {}
    found = {}
    for artifact in store.get_artifacts_by_context(context.id):
        step, output = Path(artifact.uri).parts[-3:-1]
        found[step, output] = artifact.uri
    return found


def _counts(outputs: dict[tuple[str, str], str]) -> dict[str, Any]:
    folder = outputs.get(("RatingsExampleGen", "examples"))
    if folder is None:
        return {}
    counts: dict[str, Any] = json.loads(Path(folder, "counts.json").read_text())
    return counts


def _decision(outputs: dict[tuple[str, str], str]) -> dict[str, Any]:
    folder = outputs.get(("Champion", "decided"))
    if folder is None:
        return {
            "models": [],
            "champion": None,
            "changed": False,
            "metric": None,
            "live": None,
        }
    decided: dict[str, Any] = json.loads(Path(folder, "decision.json").read_text())
    return decided


def _status(
    steps: "list[StepResult]",
    decided: dict[str, Any],
    infra: dict[str, Any],
    pushed: dict[str, Any],
) -> str:
    from components.anomaly_gate import AnomaliesError
    from components.drift_gate import DriftError

    errors = [step.error for step in steps if step.error]
    if any(isinstance(error, BadInputError) for error in errors):
        return BAD_INPUT
    if any(isinstance(error, AnomaliesError | DriftError) for error in errors):
        return ANOMALIES
    if errors:
        return FAILED
    if not any(each["verdict"] in ("live", "passed") for each in decided["models"]):
        return REFUSED
    if not decided["changed"]:
        return UNCHANGED
    if not infra["blessed"]:
        return REFUSED
    is_new = next(step for step in steps if step.name == "Pusher").state == "done"
    return CHANGED if is_new and pushed["version"] else UNCHANGED


def _pushed(outputs: dict[tuple[str, str], str]) -> dict[str, Any]:
    """The version that Pusher made, in this run or when it was cached."""
    folder = outputs.get(("Pusher", "pushed_model"))
    if folder is None:
        return {"version": None, "overtaken": ""}
    told: dict[str, Any] = json.loads(Path(folder, "pushed.json").read_text())
    return told


def _infra(outputs: dict[tuple[str, str], str]) -> dict[str, Any]:
    """What InfraCheck found, or InfraValidator in its place; ``check`` says which."""
    for step in ("InfraCheck", "InfraValidator"):
        if folder := outputs.get((step, "blessing")):
            told = Path(folder, "checked.json").read_text()
            checked: dict[str, Any] = json.loads(told)
            return checked
    return {"check": None, "blessed": False, "problems": []}


def _spans(
    window: Window, counts: dict[str, Any], outputs: dict[tuple[str, str], str]
) -> dict[str, Any]:
    """The window, the ratings that stand in two of its spans, and the drift."""
    folder = outputs.get(("DriftGate", "drift"))
    drift = json.loads(Path(folder, "drift.json").read_text()) if folder else None
    overlaps = counts.get("overlaps", [])
    return {**window.told(), "overlaps": overlaps, "drift": drift}


def _data(source: str, label: LabelConfig, counts: dict[str, Any]) -> dict[str, Any]:
    if not counts:
        return {"source": source}
    users, items, ratings = counts["users"], counts["items"], counts["kept"]
    return {
        "source": source,
        "users": users,
        "items": items,
        "ratings": ratings,
        "duplicate_users": counts.get("duplicate_users"),
        "sparsity": 1 - ratings / (users * items) if users * items else None,
        "first": _iso(counts.get("first")),
        "last": _iso(counts.get("last")),
        "one_label": explain_one_label(
            label, counts.get("rating_min"), counts.get("rating_max")
        ),
        "reading": counts.get("reading"),
        "late_keys": counts.get("late_keys", {}),
    }


def _model(
    name: str,
    steps: "dict[str, StepResult]",
    outputs: dict[tuple[str, str], str],
    decided: dict[str, Any],
    infra: dict[str, Any],
) -> dict[str, Any]:
    """What became of one model."""
    trainer, evaluator = steps[f"Trainer_{name}"], steps[f"Evaluator_{name}"]
    model: dict[str, Any] = {
        "name": name,
        "state": "trained" if trainer.state in ("done", "cached") else trainer.state,
        "verdict": "failed",
        "rule": "",
        "metrics": {},
        "intervals": {},
        "slices": {},
        "findings": [],
        "evidence": None,
        "parameters": None,
        "train_seconds": None,
        "samples_per_second": None,
        "share_of_users": None,
    }
    folder = outputs.get((f"Trainer_{name}", "model"))
    if folder:
        card = Path(folder, "Format-Serving", f.CARD_FILE)
        told = json.loads(card.read_text())
        for key in (
            "parameters",
            "train_seconds",
            "samples_per_second",
            "share_of_users",
        ):
            model[key] = told[key]
    failed = next((s for s in (trainer, evaluator) if s.error), None)
    verdict = next((v for v in decided["models"] if v["name"] == name), None)
    if failed:
        last_line = (str(failed.error).strip() or repr(failed.error)).splitlines()[-1]
        model["rule"] = f"{failed.name}: {last_line.strip()}"
    elif verdict:
        for key in ("verdict", "rule", "metrics", "intervals", "slices", "findings"):
            model[key] = verdict[key]
        model["evidence"] = verdict.get("evidence")  # since evidence is accumulated
        problems = infra["problems"]
        if verdict["verdict"] == "live" and decided["changed"] and problems:
            model["verdict"] = "refused"
            model["rule"] = f"is not fit to serve: {'; '.join(problems)}"
    else:
        model["rule"] = "a step before it failed"
    return model


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="seconds")


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: what could not be measured is null."""
    if isinstance(value, dict):
        return {key: _without_nan(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_without_nan(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
