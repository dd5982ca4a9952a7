"""Finds the artifacts that hold an ID, and what was made from them, by the store.

An artifact is searched for the exact ID only where data enters: in the Examples and the
catalogue. (Quarantined rows, which no model learns from, are among the ``records``.)
All that was made from them counts as holding it, too: vocabularies, statistics, models,
evaluations. Settings that a Tuner found do not: they are a few numbers, and later runs
need them.
"""

import dataclasses
import glob
import gzip
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from google.protobuf.message import DecodeError
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.artifact_place import place_of
from components.catalogue_gen import read_catalogue
from components.live_models import versions
from pipeline.forgetting.ids import Ids
from pipeline.recommend.example_records import ids_of, read_examples
from pipeline.runs.metadata_store import (
    METADATA_FILE,
    MetadataError,
    artifact_folder,
    open_metadata,
)
from trainer_modules import features as f

_EXAMPLES, _CATALOGUE, _TUNER = "RatingsExampleGen", "CatalogueGen", "Tuner_"
_LIVE_EVALUATION = "live_evaluation"  # of another model, which Champion compares with


@dataclasses.dataclass(frozen=True)
class VersionToLeave:
    """A version that learned from what is to be forgotten.

    Attributes:
        version: The version.
        is_live: Whether it is the live version.
        is_certain: False if the data that it learned from is gone; it is then treated
            as if it had held the ID.
    """

    version: versions.Version
    is_live: bool
    is_certain: bool


@dataclasses.dataclass(frozen=True)
class Learned:
    """What holds an ID or was made from it.

    Attributes:
        artifacts: IDs in the store → folders, as far as they still exist.
        versions: Versions of the live folder, the oldest first.
    """

    artifacts: Mapping[int, Path]
    versions: tuple[VersionToLeave, ...]


def find_learned(out: Path, ids: Ids) -> Learned:
    """Finds the artifacts and versions that learned from some users or items.

    Raises:
        MetadataError: If the store is missing or unreadable.
        VersionError: If a version is unreadable.
    """
    path = out / METADATA_FILE
    if not path.is_file():
        raise MetadataError(
            f"{path}, the only record of what was made from which data, is missing. "
            "Restore it from a backup, or remove the folder of runs as a whole"
        )
    try:
        store = open_metadata(path)
        artifacts = {artifact.id: artifact for artifact in store.get_artifacts()}
        made_from = _made_from(store)
    except RuntimeError as error:
        raise MetadataError(f"{path} cannot be read: {error}") from error
    folders = {n: artifact_folder(out, a.uri) for n, a in artifacts.items()}
    holding, gone, marked = set(), set(), set()
    for number, artifact in artifacts.items():
        if artifact.state == mlmd.Artifact.DELETED:
            marked.add(number)  # its files are left if a removal was interrupted
        step = place_of(artifact.uri).split("/")[0]
        if step not in (_EXAMPLES, _CATALOGUE):
            continue
        folder = folders[number]
        holds = _examples_hold if step == _EXAMPLES else _catalogue_holds
        if number in marked or not folder.is_dir():
            gone.add(number)
        elif holds(folder, ids):
            holding.add(number)
    tuned = {n for n, a in artifacts.items() if place_of(a.uri).startswith(_TUNER)}
    made_from = {n: made - tuned for n, made in made_from.items()}
    holding, gone = _closure(holding, made_from), _closure(gone, made_from)
    known = {place_of(artifact.uri): number for number, artifact in artifacts.items()}
    live = versions.with_challengers(out / "live")
    leaving = [
        VersionToLeave(version, version is live[-1], number in holding)
        for version in live
        if (number := known.get(version.origin)) is None or number in holding | gone
    ]
    removed = {n: folders[n] for n in holding | marked}
    return Learned({n: f for n, f in removed.items() if f.is_dir()}, tuple(leaving))


def _examples_hold(folder: Path, ids: Ids) -> bool:
    files = sorted(glob.glob(f"{glob.escape(str(folder))}/Split-*/*"))
    users = {user.encode() for user in ids.users}
    items = {item.encode() for item in ids.items}
    try:
        return any(
            users & set(ids_of(example, f.USER_ID))
            or items
            & {*ids_of(example, f.ITEM_ID), *ids_of(example, f.HISTORY_ITEM_ID)}
            for example in read_examples(files, ids.users | ids.items)
        )
    except (EOFError, gzip.BadGzipFile, zlib.error, DecodeError):
        return True  # damaged, so it is unknown


def _catalogue_holds(folder: Path, ids: Ids) -> bool:
    if not ids.items:
        return False
    return bool(ids.items & set(read_catalogue(str(folder))[f.ITEM_ID].to_pylist()))


def _made_from(store: MetadataStore) -> dict[int, set[int]]:
    """Returns for each artifact those that steps made from it directly."""
    executions = [execution.id for execution in store.get_executions()]
    if not executions:
        return {}
    inputs: dict[int, set[int]] = {}
    outputs: dict[int, set[int]] = {}
    for event in store.get_events_by_execution_ids(executions):
        if event.type == mlmd.Event.OUTPUT:
            outputs.setdefault(event.execution_id, set()).add(event.artifact_id)
        elif (
            event.type == mlmd.Event.INPUT
            and event.path.steps[0].key != _LIVE_EVALUATION
        ):
            inputs.setdefault(event.execution_id, set()).add(event.artifact_id)
    made_from: dict[int, set[int]] = {}
    for execution, used in inputs.items():
        for artifact in used:
            made_from.setdefault(artifact, set()).update(outputs.get(execution, ()))
    return made_from


def _closure(start: Iterable[int], made_from: Mapping[int, set[int]]) -> set[int]:
    """Returns artifacts and everything that was made from them."""
    found, waiting = set(start), list(start)
    while waiting:
        new = made_from.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found
