"""Users and items with fields, for the layers that read them."""

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.sizes import Sizes


@pytest.fixture
def sizes():
    """Returns sizes with two user fields and one item field."""
    genres = [[0, 0], [0, 0], [2, 4], [3, 0], [0, 0]]
    return Sizes(
        4,
        5,
        user_fields=("user_age_index", "user_zip_index"),
        num_user_values=6,
        item_fields={"item_genres": np.array(genres, np.int32)},
        num_item_values=5,
    )


@pytest.fixture
def features():
    """Returns the features of three users, each with two candidates."""
    lists = {
        f.USER_INDEX: [2, 1, 3],
        "user_age_index": [[3], [0], [1]],  # 1 is a value unseen in training
        "user_zip_index": [[4, 5, 2], [2, 0, 0], [1, 4, 0]],
        f.ITEM_INDEX: [[2, 3], [4, 1], [3, 2]],
    }
    return {name: tf.constant(values, tf.int64) for name, values in lists.items()}


@pytest.fixture
def vectors(sizes, features):
    """Looks the features up in NumPy tables; returns vectors [B, C, F, D]."""

    def mean(table, values):
        known = [table[value] for value in values if value >= 2]
        return np.mean(known, 0) if known else np.zeros(table.shape[1])

    def of(user, item, user_value, item_value):
        given = {name: value.numpy() for name, value in features.items()}
        genres = sizes.item_fields["item_genres"]
        return np.array(
            [
                [
                    [
                        user[given[f.USER_INDEX][b]],
                        *(mean(user_value, given[n][b]) for n in sizes.user_fields),
                        item[candidate],
                        mean(item_value, genres[candidate]),
                    ]
                    for candidate in given[f.ITEM_INDEX][b]
                ]
                for b in range(3)
            ]
        )

    return of
