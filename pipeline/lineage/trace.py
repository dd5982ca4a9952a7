"""Traces a version back to the files, by the store and by the steps' artifacts."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.live_models import trial, versions
from pipeline.lineage.records import Data, Judgement, Lineage, SourceFile
from pipeline.lineage.store import Store, parameters, settings
from pipeline.runs import finished_runs
from pipeline.runs.step_outputs import read_file
from trainer_modules import features as f
from trainer_modules.model_card import from_json

LIVE = "live"
_READER = "RatingsExampleGen"

_File = TypeVar("_File", bound=msgspec.Struct)


class _Counts(msgspec.Struct, frozen=True):
    """What lineage shows of ``counts.json``; None if it was not counted."""

    files: list[SourceFile] = []
    read: int | None = None
    kept: int | None = None
    quarantined: int | None = None
    duplicates: int | None = None
    merged: int | None = None
    truncated: int | None = None
    users: int | None = None
    items: int | None = None
    first: int | float | None = None
    last: int | float | None = None


class _Judged(msgspec.Struct, frozen=True):
    """What lineage shows of a model in ``decision.json``."""

    name: str
    rule: str
    metrics: dict[str, float | None]
    intervals: dict[str, list[float]] = {}


class _Live(msgspec.Struct, frozen=True):
    """The model that was live at the decision; None if there was none."""

    model: str | None = None


class _Decision(msgspec.Struct, frozen=True):
    """What lineage shows of ``decision.json``."""

    metric: str
    live: _Live
    models: list[_Judged]


def of(out: Path, version: str) -> Lineage:
    """Returns the lineage of a version.

    Args:
        out: Folder of the runs.
        version: ``live``, or the number of a version.

    Raises:
        VersionError: If there is no such version.
        NoLineageError: If the store is missing, or does not contain the model.
    """
    known = versions.with_challengers(out / "live")
    chosen = _choose(known, version, out)
    store = Store.of_runs(out)
    origin = store.model(chosen)
    pushers = store.pushers(origin, chosen)
    number = _pushed_as(known, chosen)
    pusher = pushers.get(number) or pushers[max(pushers)]
    champion = store.maker(store.inputs(pusher)["model"][0])
    trainer = store.maker(origin)
    upstream = {execution.id: execution for execution in store.upstream(trainer)}
    training = [upstream[number] for number in sorted(upstream)]
    judging = _judging(store, origin, champion, pusher)
    configuration = {
        store.name(execution): chosen_settings
        for execution in training
        if (chosen_settings := settings(execution))
    }
    # TFX caches by the spans, so they are among the settings, but they are data.
    spans = configuration[_READER].pop("spans", [])
    text = json.dumps(configuration, sort_keys=True)
    card = from_json((chosen.folder / f.CARD_FILE).read_text())
    return Lineage(
        version=chosen.number,
        model=chosen.model,
        is_live=chosen is known[-1],
        since=chosen.pushed,
        restored=chosen.restored,
        origin=chosen.origin,
        run=store.run(pusher),
        warm_start=card.warm_start,
        configuration=configuration,
        configuration_hash=hashlib.sha256(text.encode()).hexdigest(),
        data=_data(out, store, {store.name(step): step for step in training}, spans),
        steps=[store.step(step) for step in (*training, *judging)],
        judgement=_judgement(store, champion, chosen),
        trial=[
            step
            for step in trial.settled(out / "live").transitions
            if step.version == number
        ],
    )


def _judging(
    store: Store, origin: int, champion: mlmd.Execution, pusher: mlmd.Execution
) -> list[mlmd.Execution]:
    """Returns the steps that evaluated, chose, checked and pushed a model."""
    evaluators = [
        evaluator
        for artifact in store.inputs(champion)["evaluations"]
        if origin in store.inputs(evaluator := store.maker(artifact))["model"]
    ]
    infra_check = store.maker(store.inputs(pusher)["infra_blessing"][0])
    return [*evaluators, champion, infra_check, pusher]


def _choose(known: list[versions.Version], wanted: str, out: Path) -> versions.Version:
    if not known:
        raise versions.nothing_live(out)
    if wanted == LIVE:
        return known[-1]
    for version in known:
        if str(version.number) == wanted:
            return version
    numbers = ", ".join(str(version.number) for version in known)
    raise versions.VersionError(f"No version {wanted} in {out}; available: {numbers}")


def _pushed_as(known: list[versions.Version], version: versions.Version) -> int:
    """Returns the number under which a model first went live, before rollbacks."""
    by_number = {version.number: version for version in known}
    number = version.number
    while number in by_number and (restored := by_number[number].restored):
        number = restored
    return number


def _data(
    out: Path, store: Store, steps: Mapping[str, mlmd.Execution], spans: list[str]
) -> Data:
    """Returns what the first steps read and counted."""
    reader = steps[_READER]
    read, items = parameters(reader), parameters(steps["CatalogueGen"])
    [examples] = store.outputs(reader)["examples"]
    found = _read(store.folder(examples.id) / "counts.json", _Counts) or _Counts()
    counts = msgspec.structs.asdict(found)
    hashes = _fingerprints(out, store.run(reader))
    return Data(
        source=read["input_base"],
        fingerprint=read["input_fingerprint"],
        items=items["items"],
        items_fingerprint=items["items_fingerprint"],
        schema=parameters(steps["ImportSchemaGen"])["schema_file"],
        spans={name: hashes.get(name) for name in spans},
        files=counts.pop("files"),
        counts=counts,
    )


def data_fingerprint(out: Path, run_id: str) -> str:
    """Returns the SHA-256 of the files that a run read, by name and bytes.

    "" if the run did not read its data to the end.

    Raises:
        NoLineageError: If the store is missing.
    """
    store = Store.of_runs(out)
    for reader in store.finished(_READER):  # the newest first
        if store.run(reader) == run_id:
            return str(parameters(reader)["input_fingerprint"])
    return ""


def _fingerprints(out: Path, run_id: str) -> dict[str, str]:
    """Returns the hashes of a run's spans; empty if it had none or left no record."""
    try:
        spans = finished_runs.read(out, run_id).spans
    except finished_runs.RunNotFoundError:
        return {}
    return spans.fingerprints if spans else {}


def _judgement(
    store: Store, champion: mlmd.Execution, version: versions.Version
) -> Judgement | None:
    [artifact] = store.outputs(champion)["decided"]
    decided = _read(store.folder(artifact.id) / "decision.json", _Decision)
    if decided is None:
        return None
    for model in decided.models:
        if model.name == version.model:
            return Judgement(
                rule=model.rule,
                metric=decided.metric,
                metrics=model.metrics,
                intervals=model.intervals,
                instead_of=decided.live.model,
            )
    return None


def _read(path: Path, kind: type[_File]) -> _File | None:
    """Returns the content of a file that a step wrote; None if it was removed."""
    try:
        return read_file(path, kind)
    except FileNotFoundError:
        return None
