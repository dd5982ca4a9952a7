"""Finds the models that a run's gate judged, and the data from which they learned."""

import dataclasses
from pathlib import Path

from pipeline.lineage.store import NoLineageError, Store

TRAINER = "Trainer_"


@dataclasses.dataclass(frozen=True)
class Candidates:
    """The models that a run's gate judged.

    Attributes:
        models: Name of each in the registry → path of its SavedModel.
        examples: Output folder of ``RatingsExampleGen``, whose first splits they
            learned from.
    """

    models: dict[str, Path]
    examples: Path


def candidates(out: Path, run: str) -> Candidates:
    """Finds the models that a run's gate judged.

    Args:
        out: Folder of the runs.
        run: ID of the run.

    Raises:
        NoLineageError: If the store is missing, the gate of the run did not decide, or
            a folder has been removed.
    """
    store = Store.of_runs(out)
    for champion in store.finished("Champion"):
        if store.run(champion) == run:
            break
    else:
        raise NoLineageError(f"the gate of run {run} did not decide: it has no models")
    inputs = store.inputs(champion)
    examples = store.folder(inputs["examples"][0])
    models = {
        store.name(store.maker(model)).removeprefix(TRAINER): store.folder(model)
        / "Format-Serving"
        for model in inputs["models"]
    }
    for path in (examples, *models.values()):
        if not path.is_dir():
            raise NoLineageError(f"{path} of run {run} was removed")
    return Candidates(models, examples)
