"""Trainer: TFX's Trainer with the catalogue as one more input.

A Trainer's ``custom_config`` is text, and cannot name an artifact that does not exist
yet. As an input, the catalogue is also part of the model's lineage.
"""

from typing import Any

from tfx import types
from tfx import v1 as tfx
from tfx.components.trainer import executor
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import artifact_utils, component_spec
from tfx.types import standard_component_specs as specs
from tfx.utils import json_utils

from components.catalogue_gen.artifacts import Catalogue
from components.exec_properties import ExecProperties

CATALOGUE = "catalogue"
NUM_ITEMS = "num_items"
NUM_RATED_ITEMS = "num_rated_items"
NUM_ITEMS_BEFORE_TEST = "num_items_before_test"


class TrainerSpec(component_spec.ComponentSpec):
    """Inputs, outputs and parameters of a Trainer."""

    PARAMETERS = specs.TrainerSpec.PARAMETERS
    INPUTS = {
        **specs.TrainerSpec.INPUTS,
        CATALOGUE: component_spec.ChannelParameter(type=Catalogue),
    }
    OUTPUTS = specs.TrainerSpec.OUTPUTS
    TYPE_ANNOTATION = specs.TrainerSpec.TYPE_ANNOTATION


class Executor(executor.GenericExecutor):
    """Adds the catalogue to the ``custom_config`` that ``run_fn`` is given."""

    def _GetFnArgs(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: ExecProperties,
    ) -> FnArgs:
        fn_args = super()._GetFnArgs(input_dict, output_dict, exec_properties)
        fn_args.custom_config.update(of_catalogue(input_dict))
        return fn_args


def of_catalogue(input_dict: dict[str, list[Any]]) -> dict[str, Any]:
    """Returns the facts about the catalogue in a Trainer's ``custom_config``."""
    catalogue = artifact_utils.get_single_instance(input_dict[CATALOGUE])
    items, never_rated, first_in_test = map(
        catalogue.get_int_custom_property,
        ("items", "items_never_rated", "items_first_rated_in_test"),
    )
    return {
        CATALOGUE: catalogue.uri,
        NUM_ITEMS: items,
        NUM_RATED_ITEMS: items - never_rated,
        NUM_ITEMS_BEFORE_TEST: items - never_rated - first_in_test,
    }


class Trainer(base_component.BaseComponent):
    """Trains one model; outputs ``model`` and, for TensorBoard, ``model_run``."""

    SPEC_CLASS = TrainerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        run_fn: str,
        examples: types.BaseChannel,
        transform_graph: types.BaseChannel,
        catalogue: types.BaseChannel,
        train_split: str,
        eval_split: str,
        custom_config: dict[str, Any],
        base_model: types.BaseChannel | None = None,
        hyperparameters: types.BaseChannel | None = None,
    ):
        """Makes the component.

        Args:
            run_fn: Dotted name of the function that trains and exports.
            examples: Transformed Examples.
            transform_graph: The graph that transformed them.
            catalogue: Output of ``CatalogueGen``; ``run_fn`` finds its folder and the
                number of items in ``custom_config``.
            train_split: Name of the split to learn from.
            eval_split: Name of the split that chooses the epoch.
            custom_config: Settings for ``run_fn``; see ``TrainerSettings``.
            base_model: A model that training may start from, if there is one.
            hyperparameters: Settings that a Tuner found, if there are any.
        """
        super().__init__(
            TrainerSpec(
                examples=examples,
                transform_graph=transform_graph,
                catalogue=catalogue,
                base_model=base_model,
                hyperparameters=hyperparameters,
                train_args=tfx.proto.TrainArgs(splits=[train_split]),
                eval_args=tfx.proto.EvalArgs(splits=[eval_split]),
                run_fn=run_fn,
                custom_config=json_utils.dumps(custom_config),
                model=types.Channel(type=tfx.types.standard_artifacts.Model),
                model_run=types.Channel(type=tfx.types.standard_artifacts.ModelRun),
            )
        )
