"""What the steps of a run wrote, as typed classes: the artifacts and files in them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

from components.infra_check.figures import ServingCheck
from components.ratings_example_gen.input_errors import Problem
from components.ratings_example_gen.recognise.reading import Reading
from components.ratings_example_gen.spans import Overlap
from pipeline.runs.metadata_store import METADATA_FILE, artifact_folder, open_metadata
from pipeline.runs.model_record import (
    NOT_CHECKED,
    Ends,
    Evidence,
    Finding,
    JudgedLive,
    Metrics,
    SliceFigures,
    Verdict,
)
from pipeline.runs.span_record import Drift
from trainer_modules import features as f

if TYPE_CHECKING:  # ML Metadata takes a moment to import
    from ml_metadata import MetadataStore

Outputs = Mapping[tuple[str, str], Path]  # (step, output) → folder of the artifact


File = TypeVar("File")


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What RatingsExampleGen counted (``counts.json``); the record explains the rest.

    Attributes:
        rating_min: The lowest rating.
        rating_max: The highest rating.
        first: Time of the oldest rating, in seconds UTC; None without times.
        last: Time of the newest rating, in seconds UTC; None without times.
        users_file: Path of the users' file; None if there is none.
        users_with_features: Number of users that the file describes.
        first_users_without: The first users that it does not describe.
        users_repeated: Number of its rows that a later row overruled.
        bad_by_kind: Kind of problem → number of quarantined rows.
        first_problems: The first problems of rows.
        event_types: Type of events → number of kept rows.
    """

    users: int
    items: int
    read: int
    kept: int
    quarantined: int = 0
    duplicates: int = 0
    merged: int = 0
    truncated: int = 0
    duplicate_users: int | None = None
    rating_min: float | None = None
    rating_max: float | None = None
    first: float | None = None
    last: float | None = None
    reading: Reading | None = None
    late_keys: dict[str, int] = {}
    overlaps: tuple[Overlap, ...] = ()
    users_file: str | None = None
    users_with_features: int = 0
    first_users_without: list[str] = []
    users_repeated: int = 0
    bad_by_kind: dict[str, int] = {}
    first_problems: list[Problem] = []
    event_types: dict[str, int] = {}


class CatalogueCounts(msgspec.Struct, frozen=True):
    """What CatalogueGen counted (``counts.json``).

    Attributes:
        file: Path of the items' file; None if there is none.
        items: Number of items in the catalogue.
        items_never_rated: Number of items in the file without ratings.
        items_without_features: Number of rated items that the file does not describe.
        first_without: The first of these.
        repeated: Number of rows that a later row overruled.
        items_first_rated_in_test: Number of rated items of which train and eval have no
            rating.
    """

    file: str | None
    items: int
    items_never_rated: int
    items_without_features: int
    first_without: list[str]
    repeated: int
    items_first_rated_in_test: int


class Candidate(msgspec.Struct, frozen=True):
    """A model in ``decision.json``; ``ModelRecord`` has the same fields."""

    name: str
    verdict: Verdict
    rule: str
    metrics: Metrics
    intervals: dict[str, Ends] = {}
    slices: dict[str, SliceFigures] = {}
    findings: list[Finding] = []
    evidence: Evidence | None = None


class Decision(msgspec.Struct, frozen=True):
    """The verdicts of the gate (``decision.json``).

    Attributes:
        metric: The metric that models are compared by; None if the gate did not run.
        live: The model that was live; None if the gate did not run.
        changed: Whether another model than the live one was chosen.
        models: The models that were judged.
    """

    metric: str | None = None
    live: JudgedLive | None = None
    changed: bool = False
    models: list[Candidate] = []


class Pushed(msgspec.Struct, frozen=True):
    """What Pusher did (``pushed.json``).

    Attributes:
        version: Number of the version; None if none was pushed.
        overtaken: Why a blessed champion was not pushed; empty if it was.
        is_trial: Whether the version is on trial, and not live yet.
    """

    version: int | None = None
    overtaken: str = ""
    is_trial: bool = False


class Card(msgspec.Struct, frozen=True):
    """What the record keeps of a model's card; ``ModelRecord`` explains the fields."""

    parameters: int | None = None
    train_seconds: float | None = None
    samples_per_second: float | None = None
    share_of_users: float | None = None


class Trial(msgspec.Struct, frozen=True):
    """A trial in ``trials.json``; ``tuning.study.Trial`` has the same fields."""

    number: int
    state: Literal["complete", "stopped", "failed"]
    values: dict[str, Any]
    metric: float | None
    curve: list[tuple[int, float]]
    seconds: float
    error: str = ""
    is_first: bool = False


def find_outputs(store: "MetadataStore", run_id: str) -> dict[tuple[str, str], Path]:
    """Returns the artifacts of a run's steps, made in the run or cached."""
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    if context is None:
        return {}
    found = {}
    for artifact in store.get_artifacts_by_context(context.id):
        step, output = Path(artifact.uri).parts[-3:-1]
        found[step, output] = Path(artifact.uri)
    return found


def existing_outputs(out: Path, run_id: str) -> dict[tuple[str, str], Path]:
    """Returns the artifacts of a past run that still exist.

    There are none where the metadata store is gone.
    """
    if not (out / METADATA_FILE).is_file():
        return {}
    found = find_outputs(open_metadata(out / METADATA_FILE), run_id)
    folders = {name: artifact_folder(out, str(uri)) for name, uri in found.items()}
    return {name: folder for name, folder in folders.items() if folder.is_dir()}


def newest_output(out: Path, step: str, output: str) -> str:
    """Returns the folder of the artifact that a step made last."""
    folders = Path(out, "artifacts", step, output).iterdir()
    return str(max(folders, key=lambda folder: int(folder.name)))


def read_counts(outputs: Outputs) -> Counts | None:
    """Returns what RatingsExampleGen counted; None if it did not finish."""
    return _read(outputs, ("RatingsExampleGen", "examples"), "counts.json", Counts)


def read_catalogue_counts(outputs: Outputs) -> CatalogueCounts | None:
    """Returns what CatalogueGen counted; None of an earlier release's artifact."""
    catalogue = ("CatalogueGen", "catalogue")
    return _read(outputs, catalogue, "counts.json", CatalogueCounts)


def read_decision(outputs: Outputs) -> Decision:
    """Returns the gate's verdicts; none if the gate did not run."""
    decided = ("Champion", "decided")
    return _read(outputs, decided, "decision.json", Decision) or Decision()


def read_serving_check(outputs: Outputs) -> ServingCheck:
    """Returns the verdict of InfraCheck, or of InfraValidator in its place."""
    for step in ("InfraCheck", "InfraValidator"):
        found = _read(outputs, (step, "blessing"), "checked.json", ServingCheck)
        if found:
            return found
    return NOT_CHECKED


def read_pushed(outputs: Outputs) -> Pushed:
    """Returns what Pusher did, in this run or in the one that it is cached from."""
    return _read(outputs, ("Pusher", "pushed_model"), "pushed.json", Pushed) or Pushed()


def read_drift(outputs: Outputs) -> Drift | None:
    """Returns the drift of the newest span; None if the step did not run."""
    return _read(outputs, ("DriftGate", "drift"), "drift.json", Drift)


def read_model_card(outputs: Outputs, model: str) -> Card:
    """Returns a trained model's card; an empty one if it was not trained."""
    path = f"Format-Serving/{f.CARD_FILE}"
    return _read(outputs, (f"Trainer_{model}", "model"), path, Card) or Card()


def read_trials(outputs: Outputs, model: str) -> list[Trial]:
    """Returns the trials of a model's study, the best one first; none if it failed."""
    results = (f"Tuner_{model}", "tuner_results")
    return _read(outputs, results, "trials.json", list[Trial]) or []


def _read(
    outputs: Outputs, output: tuple[str, str], file: str, kind: type[File]
) -> File | None:
    path = Path(outputs.get(output, ""), file)
    if output not in outputs or not path.is_file():
        return None
    return read_file(path, kind)


def read_file(path: Path, kind: type[File]) -> File:
    """Reads a JSON file that a step wrote; unlike msgspec, ``json`` accepts its NaN."""
    return msgspec.convert(json.loads(path.read_text()), kind)
