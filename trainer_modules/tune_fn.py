"""What every Tuner step runs: a study of one model's settings."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from trainer_modules.configs.search import Space
from trainer_modules.trainer_inputs import read_data
from trainer_modules.trainer_settings import TrainerSettings
from trainer_modules.tuning import study
from trainer_modules.tuning.objective import Objective, UserMetric


def tune_fn(
    fn_args: FnArgs, tuner_config: Mapping[str, Any], metric: UserMetric | None
) -> list[dict[str, Any]]:
    """Runs the trials of the model that ``custom_config`` names.

    Args:
        fn_args: As a Trainer's; ``TrainerSettings`` describes its ``custom_config``.
        tuner_config: ``space`` (a ``Space`` in JSON's types), ``trials`` and
            ``seconds`` (see ``study.Limits``), ``metric`` (its name), ``studies`` (a
            folder in that of the runs) and ``code_version``.
        metric: The metric of one user; None for the AUC of all targets.

    Returns:
        The trials, the best one first, in JSON's types; ``study.Trial`` describes them.

    Raises:
        TuningError: If there is nothing to try, or no trial is complete at the end.
    """
    settings = TrainerSettings.parse(fn_args.custom_config)
    data = read_data(
        fn_args, tft.TFTransformOutput(fn_args.transform_graph_path), settings
    )
    space = msgspec.convert(tuner_config["space"], Space)
    # A study of other data, settings or code is another study.
    identity = [
        *(fn_args.custom_config, fn_args.train_files, fn_args.eval_files),
        *(tuner_config[name] for name in ("space", "metric", "code_version")),
    ]
    studies = Path(tuner_config["studies"])
    # Without the folder of the runs, which may be moved.
    text = json.dumps(identity, sort_keys=True).replace(str(studies.parent), "")
    digest = hashlib.sha256(text.encode()).hexdigest()
    name = settings.model.name
    trials = study.Study(
        name,
        space,
        dataclasses.asdict(settings.config),
        studies / f"{name}-{digest[:12]}.journal",
        settings.seed,
    ).run(
        Objective(settings, data, metric),
        study.Limits(tuner_config["trials"], tuner_config["seconds"]),
    )
    first = study.best(trials)
    others = [trial for trial in trials if trial is not first]
    return [dataclasses.asdict(trial) for trial in (first, *others)]
