"""Learns to distinguish what a user liked from items drawn at random.

He et al. 2017 (https://arxiv.org/abs/1708.05031), section 3.1: each positive has its
negatives beside it, which are drawn anew in every epoch and are never known positives.
"""

import numpy as np

from trainer_modules.configs.base import GradientConfig
from trainer_modules.inputs import Data
from trainer_modules.interactions import Ratings
from trainer_modules.tasks.task import Pairs, TrainingSet, beside_negatives


def training_set(
    data: Data, ratings: Ratings, config: GradientConfig, seed: int
) -> TrainingSet:
    """Returns batches with positives in the first column, negatives in the others.

    Raises:
        ValueError: If no rating is a like.
    """
    positives = data.interactions(ratings.where(ratings.liked()))
    pairs = Pairs(
        positives.user_index,
        positives.item_index,
        np.ones(len(positives), np.float32),
        positives.weight,
    )
    return beside_negatives(pairs, positives, data.user_fields, config, seed)
