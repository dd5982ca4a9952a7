"""Everything that a report tells, read from a run's folder."""

import dataclasses
import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.live_models.versions import VersionError
from pipeline import lineage
from pipeline.lineage import Lineage, NoLineageError
from pipeline.runs import execute
from pipeline.views.html.data_summary import (
    STATISTICS,
    Artifacts,
    Changes,
    Feature,
    compare,
    features,
)
from pipeline.views.html.sample_lists import Example, examples
from pipeline.views.html.training_curves import Curve, read_curves

LIVE_BEFORE = "live before"


@dataclasses.dataclass(frozen=True)
class Part:
    """A model on some of the users.

    Attributes:
        model: Its name.
        slice: Of the users.
        users: How many.
        metrics: By name.
        interval: Of the gate's metric; None where the gate asked for none.
        refuses: Whether there are enough users to refuse a model.
    """

    model: str
    slice: str
    users: int
    metrics: Mapping[str, float | None]
    interval: tuple[float, float] | None
    refuses: bool


@dataclasses.dataclass(frozen=True)
class Contents:
    """What a report tells.

    Attributes:
        run: The object of ``run.json``.
        metric: The gate's.
        models: Of ``run.json``, the best first; those without figures last.
        live_before: The model that the others were held against, as one of ``models``;
            None where nothing was live, or it is one of them.
        slices: Every model on every slice.
        counts: Of the reading, with the first problems; empty where nothing was read.
        features: TFDV's statistics of the training split.
        changes: Since the run before; None of the first.
        curves: Model → its trainings.
        examples: Lists of the live model.
        no_examples: Why there are none; "" where there are.
        lineage: Where the model that is live now came from; None where that is not
            known.
        no_lineage: Why it is not; "" where it is.
        links: What → its place, seen from the report.
    """

    run: Mapping[str, Any]
    metric: str
    models: Sequence[Mapping[str, Any]]
    live_before: Mapping[str, Any] | None
    slices: Sequence[Part]
    counts: Mapping[str, Any]
    features: Sequence[Feature]
    changes: Changes | None
    curves: Mapping[str, Sequence[Curve]]
    examples: Sequence[Example]
    no_examples: str
    lineage: Lineage | None
    no_lineage: str
    links: Mapping[str, str]


def gather(out: Path, run_id: str | None) -> Contents:
    """Reads it; what is no longer there is left out.

    Args:
        out: Folder of the runs.
        run_id: Of the run; None takes the newest.

    Raises:
        RunNotFoundError: No such run has finished.
    """
    run = execute.read(out, run_id)
    artifacts = execute.artifacts(out, run["run"]["id"])
    metric = run["gate"]["metric"] or run["config"]["gate"]["metric"]
    models = sorted(run["models"], key=lambda model: _best_first(model, metric))
    lists, no_lists = _examples(out)
    origin, no_origin = _lineage(out)
    return Contents(
        run=run,
        metric=metric,
        models=models,
        live_before=_live_before(run),
        slices=[part for model in models for part in _parts(model, metric, run)],
        counts=_counts(artifacts),
        features=features(artifacts),
        changes=_changes(out, run, artifacts),
        curves={
            model["name"]: read_curves(artifacts[step])
            for model in models
            if (step := (f"Trainer_{model['name']}", "model_run")) in artifacts
        },
        examples=lists,
        no_examples=no_lists,
        lineage=origin,
        no_lineage=no_origin,
        links=_links(out / "runs" / run["run"]["id"], artifacts),
    )


def _best_first(model: Mapping[str, Any], metric: str) -> float:
    value = model["metrics"].get(metric)
    return math.inf if value is None else -value


def _live_before(run: Mapping[str, Any]) -> Mapping[str, Any] | None:
    live = run["gate"]["live"]
    if not live or not live["metrics"]:
        return None
    return {**live, "name": LIVE_BEFORE, "verdict": LIVE_BEFORE, "intervals": {}}


def _parts(model: Mapping[str, Any], metric: str, run: Mapping[str, Any]) -> list[Part]:
    intervals = {
        finding["slice"]: finding["interval"]
        for finding in model["findings"]
        if finding["rule"] == "floor" and finding["metric"] == metric
        if finding["interval"]["lower"] is not None
    }
    parts = []
    for name, told in sorted(model["slices"].items(), key=_by_number):
        found = intervals.get(name)
        parts.append(
            Part(
                model["name"],
                name,
                told["users"],
                told["metrics"],
                (found["lower"], found["upper"]) if found else None,
                told["users"] >= run["config"]["gate"]["min_slice_users"],
            )
        )
    return parts


def _by_number(item: tuple[str, Any]) -> tuple[str, float, str]:
    """Slices in the order of their numbers: new, 1-19, 20-99, 100-499, 500+."""
    feature, _, value = item[0].partition("=")
    digits = value.partition("-")[0].rstrip("+")
    return feature, float(digits) if digits.isdecimal() else -1.0, value


def _counts(artifacts: Artifacts) -> dict[str, Any]:
    folder = artifacts.get(("RatingsExampleGen", "examples"))
    if folder is None or not (folder / "counts.json").is_file():
        return {}
    counts: dict[str, Any] = json.loads((folder / "counts.json").read_text())
    return counts


def _changes(out: Path, run: Mapping[str, Any], artifacts: Artifacts) -> Changes | None:
    """Against the newest run before this one that read its data."""
    if "users" not in run["data"]:
        return None
    for folder in sorted((out / "runs").glob(f"*/{execute.RUN_FILE}"), reverse=True):
        if folder.parent.name < run["run"]["id"]:
            before = execute.read(out, folder.parent.name)
            if "users" in before["data"]:
                older = execute.artifacts(out, before["run"]["id"])
                return compare(run, artifacts, before, older)
    return None


def _examples(out: Path) -> tuple[list[Example], str]:
    """The lists, or why there are none: the rest of the report is worth having."""
    try:
        found = examples(out)
    except (VersionError, NoLineageError) as error:
        logging.exception("The live model cannot be asked.")
        return [], str(error)
    return found, "" if found else "No model is live."


def _lineage(out: Path) -> tuple[Lineage | None, str]:
    """Of the live model, or why it is not known."""
    try:
        return lineage.of(out, lineage.LIVE), ""
    except (VersionError, NoLineageError) as error:
        return None, str(error)


def _links(folder: Path, artifacts: Artifacts) -> dict[str, str]:
    """Relative ones, so that they hold where the folder of the runs is moved to."""
    places = {"run.json": folder / execute.RUN_FILE, "log": folder / "run.log"}
    if STATISTICS in artifacts:
        places["statistics"] = artifacts[STATISTICS]
    examples_folder = artifacts.get(("RatingsExampleGen", "examples"))
    if examples_folder and (examples_folder / "quarantine.jsonl").is_file():
        places["quarantine"] = examples_folder / "quarantine.jsonl"
    return {
        name: Path(os.path.relpath(place, folder)).as_posix()
        for name, place in places.items()
        if place.exists()
    }
