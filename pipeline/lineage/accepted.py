"""Which data a version serves from: found through the store, never by a folder's name.

They are the data of the last run that reached its end with the version's model live:
the run that pushed the model, or a later one that read the same source, judged the live
model on it and kept it. A run that a gate stopped has no finished Pusher, so its data
are never found; nor are data on which another model won, after a rollback.
"""

import dataclasses
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.pusher import versions
from pipeline.lineage.store import NoLineageError, Store, settings
from pipeline.metadata import METADATA_FILE


class NoAcceptedDataError(NoLineageError):
    """The data that a version was accepted with are not known, or are gone."""


@dataclasses.dataclass(frozen=True)
class AcceptedData:
    """What serving reads beside a version.

    Attributes:
      examples: Folder of ``RatingsExampleGen``'s output: who has rated what.
      catalogue: Folder of ``CatalogueGen``'s output: the items and their titles.
      threshold: When a rating counts as liked, as the version's model learned it.
      run: Id of the run that accepted the data.
      source: Path of the ratings that were read.
    """

    examples: Path
    catalogue: Path
    threshold: str
    run: str
    source: str


def accepted_data(out: Path, version: versions.Version) -> AcceptedData:
    """Finds the data that a version serves from.

    Args:
      out: Folder of the runs.
      version: One of its versions.

    Raises:
      NoLineageError: The store is missing, or does not know the version.
      NoAcceptedDataError: No finished run had the version's model live, or the data of
        that run were removed.
    """
    store = Store(out / METADATA_FILE)
    model = store.model(version)
    transform = store.transform(store.maker(model))
    pusher = _accepting(store, version, store.source(transform))
    champion = store.champion(pusher)
    # All candidates of a run learned from one catalogue.
    trainer = store.maker(store.inputs(champion)["models"][0])
    data = AcceptedData(
        examples=store.folder(store.inputs(champion)["examples"][0]),
        catalogue=store.folder(store.inputs(trainer)["catalogue"][0]),
        threshold=settings(transform)["label_threshold"],
        run=store.run(pusher),
        source=store.source(champion),
    )
    for folder in (data.examples, data.catalogue):
        if not folder.is_dir():
            raise NoAcceptedDataError(
                f"{folder} is missing. It held data of run {data.run}, with which "
                f"version {version.number} ({version.model}) was accepted. Restore it "
                f"from a backup, or read the data again: marquee run --data "
                f"{data.source} --out {out}"
            )
    return data


def _accepting(store: Store, version: versions.Version, source: str) -> mlmd.Execution:
    """The last Pusher that left a version's model live, in a run on a source."""
    for pusher in store.finished("Pusher"):
        if (
            store.left_live(pusher) == version.origin
            and store.source(store.champion(pusher)) == source
        ):
            return pusher
    raise NoAcceptedDataError(
        f"{store.path} has no finished run that left version {version.number} "
        f"({version.model}) live: the data with which it was accepted are not known. "
        "Restore the store from a backup, or have the model judged by `marquee run`"
    )
