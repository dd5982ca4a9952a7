"""Finds the data that a version serves from, in the store and never by folder name.

It is the data of the last run that ended with the version's model live: the run that
pushed the model, or a later one that read the same source, evaluated the live model on
it and kept it. A run that a gate stopped has no finished Pusher, so its data is never
found. After a rollback, neither is data on which another model won. Data that `marquee
forget` removed gives way to the data that the version had before.
"""

import dataclasses
from pathlib import Path
from typing import Any

from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.live_models import versions
from pipeline.lineage.store import NoLineageError, Store, settings


class NoAcceptedDataError(NoLineageError):
    """The data with which a version was accepted is unknown or missing."""


@dataclasses.dataclass(frozen=True)
class AcceptedData:
    """The data that serving reads besides a version.

    Attributes:
        examples: Output folder of ``RatingsExampleGen``, with the ratings by user.
        catalogue: Output folder of ``CatalogueGen``, with the items and their titles.
        threshold: Above which a rating counts as liked, for the version's model.
        run: ID of the run that accepted the data.
        source: Path of the ratings that were read.
        reader: Settings of ``RatingsExampleGen``.
    """

    examples: Path
    catalogue: Path
    threshold: str
    run: str
    source: str
    reader: dict[str, Any]


def accepted_data(out: Path, version: versions.Version) -> AcceptedData:
    """Finds the data that a version serves from.

    Args:
        out: Folder of the runs.
        version: One of its versions.

    Raises:
        NoLineageError: If the store is missing, or does not contain the version.
        NoAcceptedDataError: If no finished run left the version's model live, or the
            data of that run has been removed.
    """
    store = Store.of_runs(out)
    transform = store.transform(store.maker(store.model(version)))
    pusher = _accepting(store, version, store.source(transform))
    champion = store.champion(pusher)
    examples, catalogue = map(store.folder, _read_by(store, champion))
    data = AcceptedData(
        examples=examples,
        catalogue=catalogue,
        threshold=settings(transform)["label_threshold"],
        run=store.run(pusher),
        source=store.source(champion),
        reader=settings(store.maker(_read_by(store, champion)[0])),
    )
    for folder in (data.examples, data.catalogue):
        if not folder.is_dir():
            raise NoAcceptedDataError(
                f"{folder} is missing. It contained data of run {data.run}, with which "
                f"version {version.number} ({version.model}) was accepted. Restore it "
                f"from a backup, or read the data again: marquee run --data "
                f"{data.source} --out {out}"
            )
    return data


@dataclasses.dataclass(frozen=True)
class Needed:
    """What must be kept for every version to be served, evaluated and explained.

    Attributes:
        executions: IDs in the store, whose artifacts and events are needed as well.
        folders: IDs of the artifacts whose files are needed.
    """

    executions: frozenset[int]
    folders: frozenset[int]


def needed_by_versions(out: Path) -> Needed:
    """Finds what the versions of a folder of runs need, whether or not they are live.

    A rollback may make any of them live. A version that is not in the store has nothing
    in it that could be removed.

    Raises:
        NoLineageError: If the store is missing or unreadable.
        VersionError: If a version is unreadable.
    """
    store = Store(out)  # what is removed is recorded in the folder
    executions: set[int] = set()
    folders: set[int] = set()
    live = versions.live_number(out / "live")
    for version in versions.with_challengers(out / "live"):
        try:
            trainer = store.maker(store.model(version))
            transform = store.transform(trainer)
            source = store.source(transform)
            accepting = _accepting(store, version, source)
        except NoLineageError:
            continue
        if version.is_on_trial or version.number == live:
            # From which it learned: the features of its lists are compared with these.
            folders |= {*store.inputs(transform)["examples"]}
        pushing = _pushing(store, version) or accepting
        for pusher in (accepting, pushing):
            executions |= {execution.id for execution in store.upstream(pusher)}
        folders |= {*_read_by(store, store.champion(accepting))}
        # The copy with which later candidates are compared, and why it was chosen.
        made = store.outputs(store.champion(pushing))
        folders |= {made["champion"][0].id, made["decided"][0].id}
    return Needed(frozenset(executions), frozenset(folders))


def _read_by(store: Store, champion: mlmd.Execution) -> tuple[int, int]:
    """Returns the Examples of a run's evaluation, and its catalogue."""
    inputs = store.inputs(champion)
    trainer = store.maker(inputs["models"][0])
    return inputs["examples"][0], store.inputs(trainer)["catalogue"][0]


def _pushing(store: Store, version: versions.Version) -> mlmd.Execution | None:
    """Returns the last Pusher that pushed a version's model rather than kept it."""
    for pusher in store.finished("Pusher"):
        if store.did_push(pusher) and store.left_live(pusher) == version.origin:
            return pusher
    return None


def _accepting(store: Store, version: versions.Version, source: str) -> mlmd.Execution:
    """Returns the last Pusher that left a version's model live, for a source."""
    for pusher in store.finished("Pusher"):
        if (
            store.left_live(pusher) == version.origin
            and store.source(champion := store.champion(pusher)) == source
            and not any(map(store.is_deleted, _read_by(store, champion)))
        ):
            return pusher
    raise NoAcceptedDataError(
        f"{store.place} has no finished run that left version {version.number} "
        f"({version.model}) live: the data with which it was accepted is unknown. "
        "Restore the store from a backup, or evaluate the model with `marquee run`"
    )
