"""Finds the data from which a version learned, in the store."""

import dataclasses
from pathlib import Path

from components.live_models import versions
from pipeline.lineage.store import NoLineageError, Store, settings
from trainer_modules.features import Kind


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """The data from which a version learned.

    Attributes:
        examples: Output folder of ``RatingsExampleGen``.
        kinds: Side features that are not categories, and what their values mean.
    """

    examples: Path
    kinds: dict[str, Kind]


def training_data(out: Path, version: versions.Version) -> TrainingData:
    """Finds the data from which a version learned.

    Serving may read newer data, with which a later run accepted the version.

    Args:
        out: Folder of the runs.
        version: One of its versions.

    Raises:
        NoLineageError: If the store does not contain the version, or the data has been
            removed.
    """
    store = Store.of_runs(out)
    transform = store.transform(store.maker(store.model(version)))
    [examples] = store.inputs(transform)["examples"]
    folder, reader = store.folder(examples), store.maker(examples)
    if not folder.is_dir():
        raise NoLineageError(
            f"the data from which it learned was removed with run {store.run(reader)}"
        )
    kinds = settings(reader).get("kinds", {})
    return TrainingData(folder, {name: Kind(*kind) for name, kind in kinds.items()})
