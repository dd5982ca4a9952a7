"""Models of the registry: built, with random weights, and trained."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from trainer_modules import features as f
from trainer_modules import training
from trainer_modules.beyond_accuracy import ListStatistics
from trainer_modules.inputs import Data
from trainer_modules.interactions import Interactions
from trainer_modules.registry import MODELS, parts_of
from trainer_modules.signatures import Served, Unit
from trainer_modules.sizes import Sizes
from trainer_modules.tasks.task import TrainingSet


def configure(name: str, overrides: Mapping[str, Any]) -> Any:
    """Returns the model's configuration with its paper's settings, or others."""
    return dataclasses.replace(MODELS[name].config_class(), **overrides)


def build(name: str, sizes: Sizes, seed: int = 0, **overrides: Any) -> tf.keras.Model:
    """Returns an untrained model with its paper's settings, or others."""
    tf.keras.utils.set_random_seed(seed)
    return MODELS[name].load_class()(configure(name, overrides), sizes)


def randomise(
    model: tf.keras.Model, pairs: Mapping[str, tf.Tensor], stddev: float
) -> tf.keras.Model:
    """Replaces every trainable weight by normal noise; returns the model.

    Args:
        model: An untrained model.
        pairs: Features to call it with once, so that its layers create their weights.
        stddev: Standard deviation of the weights.
    """
    model(pairs)
    random = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(random.normal(0, stddev, weight.shape))
    return model


def train(
    name: str, data: Data, log_dir: Path, seed: int = 0, **overrides: Any
) -> tf.keras.Model:
    """Returns a model trained on the data."""
    model = build(name, data.sizes, seed, **overrides)
    config = configure(name, overrides)
    if MODELS[name].task == "closed_form":
        training.solve(model, data)
    elif not MODELS[name].is_fitted:
        for role, (part, own) in parts_of(config).items():
            settings = dataclasses.asdict(own)
            setattr(model, role, train(part.name, data, log_dir, seed, **settings))
    else:
        training.fit(model, config, data, seed=seed, log_dir=str(log_dir), name=name)
    return model


def serve(
    model: tf.keras.Model,
    output: tft.TFTransformOutput,
    data: Data,
    unit: Unit = "logit",
) -> Served:
    """Joins a model to a transform graph; every item of the log has a row."""
    return Served(
        model,
        output,
        unit=unit,
        user_fields=data.user_fields,
        list_statistics=ListStatistics(data.train_ratings, data.sizes),
        first_rated=data.first_rated(),
        num_unknown_items=0,
        share_of_users=1.0,
        context=data.context,
    )


def one_batch(rows: int, candidates: int = 1) -> TrainingSet:
    """Returns the description of a training set with a single batch."""
    return TrainingSet(tf.data.Dataset.range, 1, rows, candidates)


def score_all_items(
    model: tf.keras.Model, history: Sequence[int], label: Sequence[int]
) -> tf.Tensor:
    """Returns the scores of all items for a user with this history of indices."""
    return model(
        {
            f.USER_INDEX: tf.constant([f.UNKNOWN_INDEX], tf.int64),
            f.HISTORY_ITEM_INDEX: tf.constant([history], tf.int64),
            f.HISTORY_LABEL: tf.constant([label], tf.int64),
            f.ITEM_INDEX: tf.range(model.num_items, dtype=tf.int64)[tf.newaxis],
        }
    )[0]


def make_interactions(
    pairs: Sequence[tuple[int, int]] | np.ndarray, num_users: int, num_items: int
) -> Interactions:
    """Returns the interactions of (user index, item index) pairs."""
    user, item = np.array(pairs, np.int32).reshape(-1, 2).T
    return Interactions.from_pairs(user, item, num_users, num_items)
