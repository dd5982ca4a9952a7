"""Gathers everything that a report shows from a run's folder."""

import dataclasses
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.champion.gate import Gate
from components.live_models.versions import VersionError
from pipeline import lineage
from pipeline.lineage import Lineage, NoLineageError
from pipeline.online.figures import Online
from pipeline.online.measure import measure_if_logged
from pipeline.plan.estimate import Estimate
from pipeline.plan.planned import estimated_before
from pipeline.runs import finished_runs
from pipeline.runs.model_record import Ends, JudgedLive, Metrics, ModelRecord
from pipeline.runs.record import RUN_FILE, RunRecord
from pipeline.runs.step_outputs import Counts, Outputs, existing_outputs, read_counts
from pipeline.views.formatting import best_first
from pipeline.views.html.data_summary import (
    STATISTICS,
    Changes,
    Feature,
    compare,
    features,
)
from pipeline.views.html.sample_lists import Example, examples
from pipeline.views.html.training_curves import Curve, read_curves


@dataclasses.dataclass(frozen=True)
class Part:
    """A model on a slice of the users.

    Attributes:
        model: Name of the model.
        slice: Name of the slice.
        users: Number of users in it.
        metrics: Metrics by name.
        interval: Confidence interval of the gate's metric; None if none was computed.
        refuses: Whether there are enough users to refuse a model.
    """

    model: str
    slice: str
    users: int
    metrics: Metrics
    interval: Ends | None
    refuses: bool


@dataclasses.dataclass(frozen=True)
class Contents:
    """The contents of a report.

    Attributes:
        run: The run's record.
        gate: The settings of the gate.
        metric: The metric that models are compared by.
        models: The models, the best first; those without figures last.
        live_before: The model that was live when the gate decided; None if there was
            none, or it could not be judged.
        slices: Every model on every slice.
        counts: What reading the ratings counted, with the first problems; None if
            reading failed.
        features: TFDV's statistics of the training split.
        changes: Differences from the previous run's data; None for the first run.
        curves: Model → its trainings.
        examples: Lists of the live model.
        no_examples: Why there are none; empty if there are.
        lineage: The origin of the live model; None if it is not known.
        no_lineage: Why it is not known; empty if it is.
        links: Description of a file → its path relative to the report.
        online: What users did with the lists that they were shown; None if no lists or
            no events are in the folder.
        estimates: Step that ran → what it would have been estimated to cost.
    """

    run: RunRecord
    gate: Gate
    metric: str
    models: Sequence[ModelRecord]
    live_before: JudgedLive | None
    slices: Sequence[Part]
    counts: Counts | None
    features: Sequence[Feature]
    changes: Changes | None
    curves: Mapping[str, Sequence[Curve]]
    examples: Sequence[Example]
    no_examples: str
    lineage: Lineage | None
    no_lineage: str
    links: Mapping[str, str]
    online: Online | None
    estimates: Mapping[str, Estimate]


def gather(out: Path, run_id: str | None) -> Contents:
    """Gathers the contents of a report; what no longer exists is left out.

    Args:
        out: Folder of the runs.
        run_id: ID of the run; None for the newest.

    Raises:
        RunNotFoundError: If no such run has finished.
    """
    record = finished_runs.read(out, run_id)
    outputs = existing_outputs(out, record.run.id)
    gate = record.section("gate", Gate)
    metric = record.gate.metric or gate.metric
    models = sorted(record.models, key=lambda model: best_first(model.metrics, metric))
    lists, no_lists = _examples(out)
    origin, no_origin = _lineage(out)
    live = record.gate.live
    return Contents(
        run=record,
        gate=gate,
        metric=metric,
        models=models,
        live_before=live if live and live.metrics else None,
        slices=[
            part
            for model in models
            for part in parts(model, metric, gate.min_slice_users)
        ],
        counts=read_counts(outputs),
        features=features(outputs),
        changes=_changes(out, record, outputs),
        curves={
            model.name: read_curves(outputs[step])
            for model in models
            if (step := (f"Trainer_{model.name}", "model_run")) in outputs
        },
        examples=lists,
        no_examples=no_lists,
        lineage=origin,
        no_lineage=no_origin,
        links=_links(out / "runs" / record.run.id, outputs),
        online=measure_if_logged(out),
        estimates=estimated_before(out, record),
    )


def parts(model: ModelRecord, metric: str, min_users: int) -> list[Part]:
    """Returns a model on every slice, in the order of the slices' numbers.

    Args:
        model: The model.
        metric: The metric whose intervals are shown.
        min_users: Number of users from which on a slice can refuse a model.
    """
    return [
        Part(
            model=model.name,
            slice=name,
            users=model.slices[name].users,
            metrics=model.slices[name].metrics,
            interval=model.slices[name].intervals.get(metric),
            refuses=model.slices[name].users >= min_users,
        )
        for name in sorted(model.slices, key=_by_number)
    ]


def _by_number(name: str) -> tuple[str, float, str]:
    """Returns a key that sorts slices by number: new, 1-19, 20-99, 100-499, 500+."""
    feature, _, value = name.partition("=")
    digits = value.partition("-")[0].rstrip("+")
    return feature, float(digits) if digits.isdecimal() else -1.0, value


def _changes(out: Path, record: RunRecord, outputs: Outputs) -> Changes | None:
    """Compares with the newest earlier run that read its data."""
    if record.data.users is None:
        return None
    for run_id in reversed(finished_runs.run_ids(out)):
        if run_id < record.run.id:
            before = finished_runs.read(out, run_id)
            if before.data.users is not None:
                older = existing_outputs(out, run_id)
                return compare(record, outputs, before, older)
    return None


def _examples(out: Path) -> tuple[list[Example], str]:
    """Returns the lists, or why there are none: the rest of the report is kept."""
    try:
        found = examples(out)
    except (VersionError, NoLineageError) as error:
        logging.exception("The live model cannot be queried.")
        return [], str(error)
    return found, "" if found else "No model is live."


def _lineage(out: Path) -> tuple[Lineage | None, str]:
    """Returns the origin of the live model, or why it is not known."""
    try:
        return lineage.of(out, lineage.LIVE), ""
    except (VersionError, NoLineageError) as error:
        return None, str(error)


def _links(folder: Path, outputs: Outputs) -> dict[str, str]:
    """Returns relative links, which hold when the folder of the runs is moved."""
    places = {"run.json": folder / RUN_FILE, "log": folder / "run.log"}
    if STATISTICS in outputs:
        places["statistics"] = outputs[STATISTICS]
    examples_folder = outputs.get(("RatingsExampleGen", "examples"))
    if examples_folder:
        places["quarantine"] = examples_folder / "quarantine.jsonl"
    return {
        name: Path(os.path.relpath(place, folder)).as_posix()
        for name, place in places.items()
        if place.exists()
    }
