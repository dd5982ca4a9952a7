"""What every Tuner step runs: a study of one model's settings."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from trainer_modules import features as f
from trainer_modules.configs.search import Space
from trainer_modules.trainer_inputs import read_data
from trainer_modules.trainer_settings import TrainerSettings
from trainer_modules.tuning import study
from trainer_modules.tuning.objective import Objective, UserMetric
from trainer_modules.tuning.storage import FileStorage, SqlStorage


def tune_fn(
    fn_args: FnArgs, tuner_config: Mapping[str, Any], metric: UserMetric | None
) -> list[dict[str, Any]]:
    """Runs the trials of the model that ``custom_config`` names.

    Args:
        fn_args: As a Trainer's; ``TrainerSettings`` describes its ``custom_config``.
        tuner_config: ``space`` (a ``Space`` in JSON's types), ``trials`` and
            ``seconds`` (see ``study.Limits``), ``metric`` (its name), ``studies`` (a
            folder in that of the runs), ``storage`` (URL of a database that replaces
            it; None if it is used), ``code_version``, and ``worker`` and ``workers``
            (see ``study.Worker``). Worker 0 waits for the others.
        metric: The metric of one user; None for the AUC of all targets.

    Returns:
        The trials in JSON's types, the best one first; those that have ended, in
        their order, from a worker other than 0. ``study.Trial`` describes them.

    Raises:
        TuningError: If there is nothing to try, or no trial is complete at the end.
        StorageError: If the database or the journal cannot be used.
    """
    settings = TrainerSettings.parse(fn_args.custom_config)
    data = read_data(
        fn_args, tft.TFTransformOutput(fn_args.transform_graph_path), settings
    )
    space = msgspec.convert(tuner_config["space"], Space)
    # A study of other data, settings or code is another study.
    identity = [
        *(fn_args.custom_config, fn_args.train_files, fn_args.eval_files),
        _digest(
            [
                *(*fn_args.train_files, *fn_args.eval_files),
                f"{settings.catalogue}/{f.CATALOGUE_FILE}",
            ]
        ),
        *(tuner_config[name] for name in ("space", "metric", "code_version")),
    ]
    studies = Path(tuner_config["studies"])
    # Without the folder of the runs, which may be moved.
    text = json.dumps(identity, sort_keys=True).replace(str(studies.parent), "")
    name = settings.model.name
    study_name = f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    url = tuner_config["storage"]
    worker = study.Worker(tuner_config["worker"], tuner_config["workers"])
    shared = study.Study(
        name,
        space,
        dataclasses.asdict(settings.config),
        (
            SqlStorage(url, study_name)
            if url
            else FileStorage(studies / f"{study_name}.journal")
        ),
        settings.seed,
        worker,
    )
    objective = Objective(settings, data, metric)
    limits = study.Limits(tuner_config["trials"], tuner_config["seconds"])
    if worker.number:
        shared.help(objective, limits)
        return [dataclasses.asdict(trial) for trial in shared.trials()]
    trials = shared.run(objective, limits)
    first = study.best(trials)
    others = [trial for trial in trials if trial is not first]
    return [dataclasses.asdict(trial) for trial in (first, *others)]


def _digest(patterns: list[str]) -> str:
    """Returns a digest of the bytes of the files that match.

    Folders of runs that share a database may have other data under the same paths.
    """
    digest = hashlib.sha256()
    for path in sorted(tf.io.gfile.glob(patterns)):
        with tf.io.gfile.GFile(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
