"""What every Trainer step runs: the contents of a training, one step a line."""

import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from trainer_modules import devices, export, training
from trainer_modules.checkpoints.of_step import Checkpoints
from trainer_modules.inputs import Data
from trainer_modules.model_builder import ModelBuilder
from trainer_modules.model_card import write_card
from trainer_modules.trainer_inputs import read_data, read_settings
from trainer_modules.trainer_settings import TrainerSettings
from trainer_modules.workers import supervisor


@devices.explaining_full_memory()
def run_fn(fn_args: FnArgs) -> None:
    """Trains the model that ``custom_config`` names, and exports it.

    Args:
        fn_args: The Trainer's inputs and output folders; ``TrainerSettings`` describes
            its ``custom_config``.

    Raises:
        MemoryError: If the model needs more memory than there is.
    """
    settings = read_settings(fn_args)
    checkpoints = Checkpoints.of(fn_args, settings.checkpoint_seconds)
    if checkpoints and settings.workers > 1 and settings.learns_by_gradients:
        supervisor.train(fn_args, settings, checkpoints)
        checkpoints.completed_by = settings.workers
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    data, build = prepared(fn_args, settings, transform)
    model, trained = training.train(build, data, fn_args.model_run_dir, checkpoints)
    export.save(model, settings, data, transform, fn_args.serving_model_dir)
    card = export.card(build, model, trained, data)
    # Closed forms write no training curves, but an object store has no empty folders,
    # and an output that does not exist is never served from the cache.
    for folder in (fn_args.serving_model_dir, fn_args.model_run_dir):
        write_card(folder, card)
    if checkpoints:
        checkpoints.remove()


def prepared(
    fn_args: FnArgs,
    settings: TrainerSettings,
    transform: tft.TFTransformOutput,
    strategy: tf.distribute.Strategy | None = None,
) -> tuple[Data, ModelBuilder]:
    """Returns what a Trainer learns from, and what builds its model.

    Args:
        fn_args: The Trainer's inputs.
        settings: What it is to do.
        transform: The transform graph.
        strategy: The workers that train the model; None for this process alone.
    """
    data = read_data(fn_args, transform, settings)
    build = ModelBuilder.for_devices(settings, data, strategy)
    if settings.warm_start:
        build = build.starting_warm(fn_args.base_model, transform, data.item_values)
    return data, build
