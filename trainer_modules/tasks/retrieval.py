"""Learns to distinguish what a user liked from items drawn at random.

He et al. 2017 (https://arxiv.org/abs/1708.05031), section 3.1: each positive has its
negatives beside it, which are drawn anew in every epoch and are never known positives.
"""

from trainer_modules.configs.base import GradientConfig
from trainer_modules.inputs import Data
from trainer_modules.interactions import Ratings
from trainer_modules.tasks.task import TrainingSet, beside_negatives, liked_pairs


def training_set(
    data: Data, ratings: Ratings, config: GradientConfig, seed: int
) -> TrainingSet:
    """Returns batches with positives in the first column, negatives in the others.

    Negatives are in the context of the positive that they are drawn beside.

    Raises:
        ValueError: If no rating is a like.
    """
    pairs, positives, context = liked_pairs(data, ratings)
    return beside_negatives(pairs, positives, data.user_fields, config, seed, context)
