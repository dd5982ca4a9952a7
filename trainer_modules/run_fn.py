"""What every Trainer step runs: settings in, a trained and exported model out."""

import contextlib
import dataclasses
import importlib
import re
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tfx import v1 as tfx

from trainer_modules import features as f
from trainer_modules import training
from trainer_modules.beyond_accuracy import ListStatistics
from trainer_modules.configs import base, parse
from trainer_modules.inputs import Data
from trainer_modules.model_card import write_card
from trainer_modules.registry import MODELS
from trainer_modules.signatures import Served, Unit
from trainer_modules.sizes import Sizes, read_item_fields, user_fields
from trainer_modules.warm_start import (
    Start,
    find_start,
    read_vocabularies,
    write_item_values,
)


@contextlib.contextmanager
def _naming_memory() -> Iterator[None]:
    """Says in a line what Keras says in pages of its own calls."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        tensor = re.search(
            r"OOM when allocating (tensor with shape\[.*?\])", str(error)
        )
        if not tensor:  # a disk can be full, too
            raise
        raise MemoryError(
            f"no memory for a {tensor[1]}. Give the model a smaller embedding_dim or "
            "batch_size, or the machine more memory."
        ) from error


@_naming_memory()
def run_fn(fn_args: tfx.components.FnArgs) -> None:
    """Trains the model that ``custom_config`` names and exports it.

    ``custom_config`` holds ``model``, ``config`` (fields of the model's config),
    ``recipe`` (stands for all of the settings),
    ``seed``, ``require_gpu``, ``mixed_precision``, ``warm_start`` (if wanted),
    ``split`` (its settings), ``max_scored_pairs`` (users x items that ``evaluate``
    scores), ``leave_out`` (side features), ``catalogue`` (its folder),
    ``num_rated_items`` (all that are candidates at test) and ``num_items_before_test``
    (those of them that are in train or eval).

    Raises:
        MemoryError: The model takes more than there is.
    """
    settings: dict[str, Any] = fn_args.custom_config
    spec = MODELS[settings["model"]]
    config = parse.parse(spec.config_class, settings["config"])
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    data, item_values = read_data(fn_args, transform)
    tf.keras.mixed_precision.set_global_policy(
        "mixed_float16" if settings["mixed_precision"] else "float32"
    )
    module = importlib.import_module(f"trainer_modules.models.{spec.name}")
    sizes = dataclasses.replace(data.sizes, mean_rating=data.train_ratings.mean())
    strategy = training.strategy(settings["require_gpu"])
    card = {
        "model": spec.name,
        "recipe": settings["recipe"],
        "config": dataclasses.asdict(config),
        "fields": [*sizes.user_fields, *sizes.item_fields],
        "split": settings["split"],
    }
    start = Start()

    def build() -> tf.keras.Model:
        tf.keras.utils.set_random_seed(settings["seed"])
        with strategy.scope():
            model = getattr(module, spec.class_name)(config, sizes)
            start.give(model, sizes)
        return model

    if settings["warm_start"]:
        start = find_start(
            fn_args.base_model,
            build(),
            sizes,
            lambda: read_vocabularies(transform.transform_savedmodel_dir, item_values),
            card,
        )
    if spec.task == "closed_form":
        model = build()
        trained = training.solve(model, data)
    else:
        model, trained = training.fit_and_refit(
            build,
            config,
            data,
            seed=settings["seed"],
            log_dir=fn_args.model_run_dir,
            name=spec.name,
            is_warm=start.warm_start is not None,
        )
    num_pairs = data.sizes.num_users * data.sizes.num_items
    share_of_users = min(1.0, settings["max_scored_pairs"] / num_pairs)
    served = Served(
        model,
        transform,
        unit=_unit(config),
        user_fields=data.user_fields,
        list_statistics=ListStatistics(data.train_ratings, data.sizes),
        num_unknown_items=max(
            0, settings["num_rated_items"] - data.sizes.num_items + f.NUM_RESERVED
        ),
        share_of_users=share_of_users,
    )
    served.save(fn_args.serving_model_dir)
    write_item_values(fn_args.serving_model_dir, item_values)
    card = {
        **card,
        "warm_start": start.warm_start,
        "from_scratch": start.from_scratch,
        "parameters": model.count_params(),
        "train_seconds": trained.seconds,
        "samples_per_second": trained.samples_per_second,
        "epochs": trained.epochs,
        "share_of_users": share_of_users,
    }
    write_card(fn_args.serving_model_dir, card)
    # An object store has no empty folder, and what is not there is not served from the
    # cache: closed forms have no curves.
    write_card(fn_args.model_run_dir, card)


def read_data(
    fn_args: tfx.components.FnArgs, transform: tft.TFTransformOutput
) -> tuple[Data, list[bytes]]:
    """What the Trainer was given, the sizes that it decides, and the items' values."""
    settings = fn_args.custom_config
    item_ids = transform.vocabulary_by_name(f.ITEM_VOCABULARY)
    user_values = transform.vocabulary_by_name(f.USER_FEATURE_VOCABULARY)
    item_fields, item_values = read_item_fields(
        settings["catalogue"], item_ids, settings["leave_out"]
    )
    data = Data(
        train_files=fn_args.train_files,
        eval_files=fn_args.eval_files,
        feature_spec=transform.transformed_feature_spec(),
        sizes=Sizes(
            num_users=transform.vocabulary_size_by_name(f.USER_VOCABULARY)
            + f.NUM_RESERVED,
            num_items=len(item_ids) + f.NUM_RESERVED,
            user_fields=user_fields(user_values),
            num_user_values=len(user_values) + f.NUM_RESERVED,
            item_fields=item_fields,
            num_item_values=len(item_values) + f.NUM_RESERVED,
        ),
        num_unknown_items=max(0, settings["num_items_before_test"] - len(item_ids)),
    )
    return data, item_values


def _unit(config: Any) -> Unit:
    """Returns the unit of a model's scores: what its loss compares them with.

    Beside drawn negatives, a likely item is one that stands out from these, which is
    not the probability that a user who rates it likes it.
    """
    if not isinstance(config, base.GradientConfig):
        return "order"
    if config.loss == "squared_error":
        return "stars"
    tells_probabilities = config.loss == "cross_entropy" and not config.num_negatives
    return "logit" if config.task == "rating" and tells_probabilities else "order"
