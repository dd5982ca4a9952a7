"""The models that can be judged: a version, and the candidates of a run."""

import dataclasses
import datetime
from pathlib import Path

from components.live_models import versions
from pipeline.lineage.candidates import candidates
from pipeline.recommend.example_records import integers_of, read_examples
from pipeline.recommend.user_history import files_of
from trainer_modules import features as f


@dataclasses.dataclass(frozen=True)
class Subject:
    """A model to be judged.

    Attributes:
        version: Number of the version; None for a candidate of a run.
        model: Name of the model in the registry.
        folder: Path of its SavedModel.
        since: From when on lists count, in seconds UTC: the model may have been trained
            on what followed earlier ones.
    """

    version: int | None
    model: str
    folder: Path
    since: float


def version_of(out: Path, number: int) -> Subject:
    """Returns a version of a folder of runs, live, on trial or earlier.

    It may have been trained on everything that happened before its push.

    Raises:
        VersionError: If there is no such version.
    """
    known = versions.with_challengers(out / "live")
    version = next((each for each in known if each.number == number), None)
    if version is None:
        raise versions.version_not_found(out / "live", number, known)
    pushed = datetime.datetime.fromisoformat(version.pushed).timestamp()
    return Subject(number, version.model, version.folder, pushed)


def candidates_of(out: Path, run: str) -> list[Subject]:
    """Returns the models that a run's gate judged.

    They have learned from the splits train and eval. So the lists of the test split's
    period count, if it begins after them.

    Args:
        out: Folder of the runs.
        run: ID of the run.

    Raises:
        NoLineageError: If the gate of the run did not decide, or a folder was removed.
    """
    found = candidates(out, run)
    since = _end_of_training(found.examples)
    return [Subject(None, name, folder, since) for name, folder in found.models.items()]


def _end_of_training(examples: Path) -> float:
    """Returns the second after the newest rating of the splits train and eval.

    Without times in the data, everything may be newer than the lists.
    """
    files = files_of(str(examples))
    learned = [*files[f.TRAIN_SPLIT], *files[f.EVAL_SPLIT]]
    times = (integers_of(each, f.TIMESTAMP) for each in read_examples(learned))
    return max((max(each) + 1 for each in times if each), default=float("inf"))
