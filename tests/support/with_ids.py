"""Two users and their candidates, for models over the IDs alone."""

from typing import Any

import numpy as np
import tensorflow as tf

from tests.support.models import build, randomise
from trainer_modules import features as f
from trainer_modules.sizes import Sizes

SIZES = Sizes(num_users=5, num_items=6)
USER, ITEM = [2, 4], [[3, 5, 1], [1, 2, 2]]
PAIRS = {f.USER_INDEX: tf.constant(USER), f.ITEM_INDEX: tf.constant(ITEM)}
# (row, column, user index, item index) of each pair.
EACH_PAIR = [
    (row, column, USER[row], item)
    for row, items in enumerate(ITEM)
    for column, item in enumerate(items)
]


def model(name: str, **overrides: Any) -> tf.keras.Model:
    """Returns a model over the IDs, with random weights."""
    return randomise(build(name, SIZES, **overrides), PAIRS, 0.8)


def two_sided_layers(tower: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns each layer's weight and bias for user and item vectors side by side."""
    [user_weight] = tower.first_user.get_weights()
    item_weight, bias = tower.first_item.get_weights()
    deeper = [layer.get_weights() for layer in tower.deeper.dense]
    return [(np.concatenate([user_weight, item_weight]), bias), *deeper]
