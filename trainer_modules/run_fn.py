"""What every Trainer step runs: settings in, a trained and exported model out."""

import dataclasses
import importlib
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tfx import v1 as tfx

from trainer_modules import configs, training
from trainer_modules import features as f
from trainer_modules.inputs import Data
from trainer_modules.model_card import write_card
from trainer_modules.registry import MODELS
from trainer_modules.signatures import Served


def run_fn(fn_args: tfx.components.FnArgs) -> None:
    """Trains the model that ``custom_config`` names and exports it.

    ``custom_config`` holds ``model``, ``config`` (fields of the model's config),
    ``seed``, ``require_gpu`` and ``mixed_precision``.
    """
    settings: dict[str, Any] = fn_args.custom_config
    spec = MODELS[settings["model"]]
    config = configs.parse(spec.config_class, settings["config"])
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    sizes = [
        transform.vocabulary_size_by_name(name) + f.NUM_RESERVED
        for name in (f.USER_VOCABULARY, f.ITEM_VOCABULARY)
    ]
    data = Data(
        fn_args.train_files,
        fn_args.eval_files,
        transform.transformed_feature_spec(),
        *sizes,
    )
    tf.keras.utils.set_random_seed(settings["seed"])
    tf.keras.mixed_precision.set_global_policy(
        "mixed_float16" if settings["mixed_precision"] else "float32"
    )
    module = importlib.import_module(f"trainer_modules.models.{spec.name}")
    with training.strategy(settings["require_gpu"]).scope():
        model = getattr(module, spec.class_name)(config, *sizes)
    if spec.task == "closed_form":
        trained = training.solve(model, data)
    else:
        trained = training.fit(
            model,
            config,
            data,
            seed=settings["seed"],
            log_dir=fn_args.model_run_dir,
            name=spec.name,
        )
    Served(model, transform, is_logit=spec.task != "closed_form").save(
        fn_args.serving_model_dir
    )
    write_card(
        fn_args.serving_model_dir,
        {
            "model": spec.name,
            "config": dataclasses.asdict(config),
            "parameters": model.count_params(),
            "train_seconds": trained.seconds,
            "samples_per_second": trained.samples_per_second,
            "epochs": trained.epochs,
        },
    )
