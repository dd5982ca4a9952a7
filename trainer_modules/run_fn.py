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
    ``seed``, ``require_gpu``, ``mixed_precision``, ``max_scored_pairs`` (users x items
    that ``evaluate`` scores) and ``num_rated_items`` (of the catalogue).
    """
    settings: dict[str, Any] = fn_args.custom_config
    spec = MODELS[settings["model"]]
    config = configs.parse(spec.config_class, settings["config"])
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    num_users, num_items = (
        transform.vocabulary_size_by_name(name)
        for name in (f.USER_VOCABULARY, f.ITEM_VOCABULARY)
    )
    data = Data(
        train_files=fn_args.train_files,
        eval_files=fn_args.eval_files,
        feature_spec=transform.transformed_feature_spec(),
        num_users=num_users + f.NUM_RESERVED,
        num_items=num_items + f.NUM_RESERVED,
        num_unknown_items=max(0, settings["num_rated_items"] - num_items),
    )
    tf.keras.utils.set_random_seed(settings["seed"])
    tf.keras.mixed_precision.set_global_policy(
        "mixed_float16" if settings["mixed_precision"] else "float32"
    )
    module = importlib.import_module(f"trainer_modules.models.{spec.name}")
    with training.strategy(settings["require_gpu"]).scope():
        model = getattr(module, spec.class_name)(config, data.num_users, data.num_items)
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
    share_of_users = min(1.0, settings["max_scored_pairs"] / (num_users * num_items))
    served = Served(
        model,
        transform,
        is_logit=spec.task != "closed_form",
        num_unknown_items=data.num_unknown_items,
        share_of_users=share_of_users,
    )
    served.save(fn_args.serving_model_dir)
    write_card(
        fn_args.serving_model_dir,
        {
            "model": spec.name,
            "config": dataclasses.asdict(config),
            "parameters": model.count_params(),
            "train_seconds": trained.seconds,
            "samples_per_second": trained.samples_per_second,
            "epochs": trained.epochs,
            "share_of_users": share_of_users,
        },
    )
