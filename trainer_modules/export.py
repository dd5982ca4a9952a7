"""Exports a trained model: its SavedModel, and the card that describes it."""

import logging
from typing import Any

import msgspec
import tensorflow as tf
import tensorflow_transform as tft

from trainer_modules.beyond_accuracy import ListStatistics
from trainer_modules.configs.base import GradientConfig
from trainer_modules.configs.list_rules import Feed, Rules
from trainer_modules.inputs import Data
from trainer_modules.item_feed import FeedError, read_feed
from trainer_modules.item_index import item_index
from trainer_modules.layers.sharded_table import sharded_tables
from trainer_modules.model_builder import ModelBuilder
from trainer_modules.model_card import ModelCard
from trainer_modules.signatures import Served, Unit
from trainer_modules.trainer_settings import TrainerSettings
from trainer_modules.training import Trained
from trainer_modules.warm_start import write_item_values

_log = logging.getLogger("marquee.progress")  # shown by every command


def save(
    model: tf.keras.Model,
    settings: TrainerSettings,
    data: Data,
    transform: tft.TFTransformOutput,
    folder: str,
) -> None:
    """Writes the SavedModel with its signatures and its vocabularies."""
    rated = data.train_ratings
    has_many = settings.index_from and data.sizes.num_listed >= settings.index_from
    served = Served(
        model,
        transform,
        unit=score_unit(settings.config),
        user_fields=data.user_fields,
        list_statistics=ListStatistics(
            data.interactions(rated) if data.counts_repeats else rated, data.sizes
        ),
        first_rated=data.first_rated(),
        num_unknown_items=data.sizes.num_unlisted(settings.num_candidates),
        share_of_users=_share_of_users(settings, data),
        reads_times=data.reads_times,
        is_weighted=data.is_weighted,
        again_after=data.again_after,
        new_items=data.new_items,
        context=data.context,
        index=item_index(model, data.sizes.num_listed, settings.index_probes)
        if has_many
        else None,
        rules=data.rules,
    )
    if settings.rules and settings.rules.feed:
        _apply_feed(served, settings.rules, settings.rules.feed)
    served.save(folder)
    write_item_values(folder, data.item_values)


def _apply_feed(served: Served, rules: Rules, feed: Feed) -> None:
    """Lets lists contain what is available now, as they are evaluated.

    A feed that cannot be used is reported, and all items count as available: the
    machine may not have it, and the server reads it by itself.
    """
    try:
        rows = read_feed(feed.path, rules)
    except FeedError as error:
        _log.warning("Warning: all items count as available: %s", error)
        return
    if problem := rows.problem(feed):
        _log.warning("Warning: %s", problem)
    inputs = {name: tf.constant(value) for name, value in rows.inputs.items()}
    if not served.update_items(**inputs)["num_listed"]:
        _log.warning(
            "Warning: all items count as available: %s leaves no item to list",
            feed.path,
        )


def card(
    build: ModelBuilder, model: tf.keras.Model, trained: Trained, data: Data
) -> ModelCard:
    """Returns the model's card."""
    return msgspec.structs.replace(
        build.settings.card(build.sizes, number_of_weights(model)),
        warm_start=build.start.warm_start,
        from_scratch=build.start.from_scratch,
        train_seconds=trained.seconds,
        samples_per_second=trained.samples_per_second,
        epochs=trained.epochs,
        share_of_users=_share_of_users(build.settings, data),
    )


def number_of_weights(model: tf.keras.Model) -> int:
    """Returns how many numbers the scores depend on."""
    moments = sum(table.moments.shape.num_elements() for table in sharded_tables(model))
    weights: int = model.count_params() - moments
    return weights


def score_unit(config: Any) -> Unit:
    """Returns the unit of a model's scores, which its loss decides.

    A model that learns beside drawn negatives scores how much an item differs from
    them, which is not the probability that a user who rates it likes it.
    """
    if not isinstance(config, GradientConfig):
        return "order"
    if config.loss == "squared_error":
        return "stars"
    learns_labels = config.loss == "cross_entropy" and not config.num_negatives
    return "logit" if config.task == "rating" and learns_labels else "order"


def _share_of_users(settings: TrainerSettings, data: Data) -> float:
    """Returns the share of the users that ``evaluate`` ranks for, at most 1."""
    num_pairs = data.sizes.num_users * data.sizes.num_listed
    return min(1.0, settings.max_scored_pairs / num_pairs)
