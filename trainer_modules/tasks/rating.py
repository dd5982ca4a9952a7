"""Learning from the ratings that there are: whether a user will like an item.

With ``num_negatives``, also from items that the user has not rated, as not liked.
"""

import numpy as np

from trainer_modules import features as f
from trainer_modules.configs.base import GradientConfig
from trainer_modules.inputs import Data
from trainer_modules.interactions import Ratings
from trainer_modules.tasks.task import Pairs, TrainingSet, beside_negatives


def training_set(
    data: Data, ratings: Ratings, config: GradientConfig, seed: int
) -> TrainingSet:
    """Rated items in the first column, drawn ones in the others.

    The label is the one that Transform gave, or the stars where the loss is their
    squared error; a rating that is neither liked nor disliked has no label.

    Raises:
        ValueError: If no rating has a label, or all have the same and nothing is drawn.
    """
    rated = data.interactions(ratings)
    target = ratings.rating
    if config.loss == "cross_entropy":
        ratings = ratings.where(ratings.label != f.NEITHER)
        if not config.num_negatives and len(set(ratings.label.tolist())) < 2:
            raise ValueError(
                "the task 'rating' learns liked from disliked, and the training "
                "ratings have not both: change label.threshold, or set num_negatives"
            )
        target = ratings.label.astype(np.float32)
    pairs = Pairs(ratings.user_index, ratings.item_index, target)
    return beside_negatives(pairs, rated, data.user_fields, config, seed)
