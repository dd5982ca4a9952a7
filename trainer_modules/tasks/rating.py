"""Learns from ratings whether a user will like an item, or by how many stars.

With ``num_negatives``, items that the user has not rated count as disliked.
"""

import numpy as np

from trainer_modules import features as f
from trainer_modules.configs.base import GradientConfig
from trainer_modules.disk_arrays import computed
from trainer_modules.inputs import Data
from trainer_modules.interactions import Ratings
from trainer_modules.tasks.task import Pairs, TrainingSet, beside_negatives


def training_set(
    data: Data, ratings: Ratings, config: GradientConfig, seed: int
) -> TrainingSet:
    """Returns batches with rated items in the first column, drawn ones in the others.

    The label is that of Transform or, if the loss is the squared error, the stars. With
    labels, ratings that are neither liked nor disliked are left out. Drawn items are in
    the context of the rating that they are drawn beside.

    Raises:
        ValueError: If all labels are the same, or there are none, and no item is drawn.
    """
    rated = data.interactions(ratings)
    target = ratings.rating
    if config.loss == "cross_entropy":
        ratings = ratings.where(ratings.label != f.NEITHER)
        label = ratings.label
        has_one = not len(label) or label.min() == label.max()
        if not config.num_negatives and has_one:
            raise ValueError(
                "the task 'rating' learns to separate liked from disliked items, but "
                "the training data contains only one class: change label.threshold, "
                "or set num_negatives"
            )
        target = computed(lambda rows: label[rows], len(label), np.float32)
    pairs = Pairs(ratings.user_index, ratings.item_index, target, data.weights(ratings))
    context = data.context_of(ratings)
    return beside_negatives(pairs, rated, data.user_fields, config, seed, context)
