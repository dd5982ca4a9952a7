"""Tuner: TFX's Tuner, with the catalogue as one more input and Optuna for KerasTuner.

The outputs are named and written as TFX's are, so that a Trainer reads them. KerasTuner
is not used: its trials know nothing of closed forms, and its early stopping restarts a
model at each rung.
"""

import json
import os
from collections.abc import Callable
from typing import Any

from tfx import types
from tfx import v1 as tfx
from tfx.components.trainer import fn_args_utils
from tfx.components.tuner import executor as tfx_tuner
from tfx.components.util import udf_utils
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec
from tfx.types import standard_component_specs as specs
from tfx.utils import io_utils, json_utils

from components.catalogue_gen.artifacts import Catalogue
from components.exec_properties import ExecProperties
from components.metric_names import AUC, PER_USER_METRICS
from components.ranking_metrics.metrics import ranking_metrics
from components.trainer.component import CATALOGUE, of_catalogue

TUNER_CONFIG, STUDIES = "tuner_config", "studies"
TRIALS_FILE = "trials.json"  # in the TunerResults artifact


class TunerSpec(component_spec.ComponentSpec):
    """Inputs, outputs and parameters of a Tuner."""

    PARAMETERS = {
        **specs.TunerSpec.PARAMETERS,
        TUNER_CONFIG: component_spec.ExecutionParameter(type=str),
        # Apart, so that the cache key does not change if the folder is moved.
        STUDIES: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        **specs.TunerSpec.INPUTS,
        CATALOGUE: component_spec.ChannelParameter(type=Catalogue),
    }
    OUTPUTS = specs.TunerSpec.OUTPUTS


class TunerWorkerSpec(TunerSpec):
    """The same of a worker, which only adds trials to the study."""

    OUTPUTS = {specs.TUNER_RESULTS_KEY: TunerSpec.OUTPUTS[specs.TUNER_RESULTS_KEY]}


class Executor(base_executor.BaseExecutor):
    """Calls ``tuner_fn``, and writes the trials that it returns."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: ExecProperties,
    ) -> None:
        """Runs the study.

        Raises:
            TuningError: If there is nothing to try, or no trial is complete.
        """
        fn_args = fn_args_utils.get_common_fn_args(input_dict, exec_properties)
        fn_args.custom_config.update(of_catalogue(input_dict))
        config = json.loads(exec_properties[TUNER_CONFIG])
        config[STUDIES] = exec_properties[STUDIES]
        tuner_fn = udf_utils.get_fn(exec_properties, specs.TUNER_FN_KEY)
        trials = tuner_fn(fn_args, config, user_metric(config["metric"]))
        _write(output_dict[specs.TUNER_RESULTS_KEY], TRIALS_FILE, trials)
        if specs.BEST_HYPERPARAMETERS_KEY in output_dict:
            _write(
                output_dict[specs.BEST_HYPERPARAMETERS_KEY],
                tfx_tuner._DEFAULT_BEST_HP_FILE_NAME,
                trials[0]["values"],
            )


def _write(artifacts: list[types.Artifact], name: str, content: Any) -> None:
    path = os.path.join(artifact_utils.get_single_uri(artifacts), name)
    io_utils.write_string_file(path, json.dumps(content, indent=1))


def user_metric(name: str) -> Callable[..., float] | None:
    """Returns a metric of one user; None for the AUC, which is of all users.

    Args:
        name: One of ``ComparedMetric``.
    """
    if name == AUC:
        return None
    place = PER_USER_METRICS.index(name)
    return lambda rank, num_candidates: float(
        ranking_metrics(rank, num_candidates)[place]
    )


class Tuner(base_component.BaseComponent):
    """Tries settings of one model; outputs the best ones and all trials."""

    SPEC_CLASS = TunerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        tuner_fn: str,
        examples: types.BaseChannel,
        transform_graph: types.BaseChannel,
        catalogue: types.BaseChannel,
        train_split: str,
        eval_split: str,
        custom_config: dict[str, Any],
        tuner_config: dict[str, Any],
        studies: str,
    ):
        """Makes the component.

        Args:
            tuner_fn: Dotted name of the function that runs the trials.
            examples: Transformed Examples.
            transform_graph: The graph that transformed them.
            catalogue: Output of ``CatalogueGen``.
            train_split: Name of the split to learn from.
            eval_split: Name of the split that judges the trials.
            custom_config: Settings of a Trainer; see ``TrainerSettings``.
            tuner_config: Settings of the study; see ``tune_fn``.
            studies: Folder of the studies, beside that of the artifacts.
        """
        super().__init__(
            self.SPEC_CLASS(
                examples=examples,
                transform_graph=transform_graph,
                catalogue=catalogue,
                train_args=tfx.proto.TrainArgs(splits=[train_split]),
                eval_args=tfx.proto.EvalArgs(splits=[eval_split]),
                tuner_fn=tuner_fn,
                custom_config=json_utils.dumps(custom_config),
                tuner_config=json.dumps(tuner_config, sort_keys=True),
                studies=studies,
                **{
                    name: types.Channel(type=output.type)
                    for name, output in self.SPEC_CLASS.OUTPUTS.items()
                },
            )
        )


class TunerWorker(Tuner):
    """Runs trials of a Tuner's study beside it; outputs those that have ended."""

    SPEC_CLASS = TunerWorkerSpec
