"""The stage of `marquee tune`: transformed examples to the best settings."""

from collections.abc import Sequence
from typing import Any

import msgspec
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.types.channel import BaseChannel
from tfx.types.standard_component_specs import BEST_HYPERPARAMETERS_KEY

from components.tuner.component import Tuner, TunerWorker
from pipeline.config.sections import PipelineConfig, TunerConfig, untuned
from pipeline.config.tuning_spaces import spaces
from pipeline.runs.code_version import code_version
from pipeline.stages.prepare import dotted
from pipeline.stages.train_and_push import trainer_config
from trainer_modules import features as f
from trainer_modules.configs.duration import duration_seconds
from trainer_modules.tune_fn import tune_fn

TRIALS = 20  # where neither trials nor a budget is set


def tune(
    config: PipelineConfig,
    transformed: BaseComponent,
    catalogue: BaseChannel,
    folder: str,
) -> list[BaseComponent]:
    """Returns a Tuner per model, and its workers; popularity has no settings.

    No step waits for another, so that any number of them may run at once: those that
    start when the trials of their model are all taken end at once.

    Args:
        config: Configuration of the pipeline.
        transformed: The Transform step.
        catalogue: The catalogue.
        folder: Where studies are kept, so that one that was interrupted continues.
    """
    start, tried = untuned(config), spaces(config)
    return [
        (TunerWorker if worker else Tuner)(
            tuner_fn=dotted(tune_fn),
            examples=transformed.outputs["transformed_examples"],
            transform_graph=transformed.outputs["transform_graph"],
            catalogue=catalogue,
            train_split=f.TRAIN_SPLIT,
            eval_split=f.EVAL_SPLIT,
            # A trial starts from scratch: from the live model, it would be judged by
            # ratings that this model has learned from.
            custom_config=trainer_config(name, start) | {"warm_start": False},
            tuner_config={
                "space": msgspec.to_builtins(tried[name]),
                "metric": config.gate.metric,
                "code_version": code_version(
                    tune_fn.__module__,
                    f"trainer_modules.models.{name}",
                    "components.ranking_metrics.metrics",
                ),
                **limits(config.tuner),
                "storage": config.tuner.storage,
                "worker": worker,
                "workers": config.tuner.workers,
            },
            studies=folder,
        ).with_id(f"Tuner_{name}_worker_{worker}" if worker else f"Tuner_{name}")
        for name in config.models
        if tried[name]  # popularity has nothing to try
        for worker in range(config.tuner.workers)
    ]


def best_settings(tuners: Sequence[BaseComponent]) -> dict[str, BaseChannel]:
    """Returns what Tuners find, by the model's name; workers have no such output."""
    return {
        step.id.removeprefix("Tuner_"): step.outputs[BEST_HYPERPARAMETERS_KEY]
        for step in tuners
        if BEST_HYPERPARAMETERS_KEY in step.outputs
    }


def limits(tuner: TunerConfig) -> dict[str, Any]:
    """Returns when a study ends, in trials and in seconds (``study.Limits``)."""
    trials = tuner.trials
    seconds = None
    if tuner.budget is not None:
        seconds = float(duration_seconds(tuner.budget))
    elif trials is None:
        trials = TRIALS
    return {"trials": trials, "seconds": seconds}
