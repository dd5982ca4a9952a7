"""Users and items with fields, for the layers that read them."""

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.sizes import Sizes, Weighted


@pytest.fixture
def sizes():
    """Returns sizes with three fields each; one of each has vectors, one weights."""
    genres = [[0, 0], [0, 0], [2, 4], [3, 0], [0, 0]]
    moods = [[0, 0], [0, 0], [3, 4], [4, 1], [2, 3]]
    weights = [[0, 0], [0, 0], [0.25, 1], [2, 7], [0, 0]]
    covers = [[0, 0, 0], [0, 0, 0], [1, -1, 2], [0.5, 0, 0], [0, 0, 0]]
    return Sizes(
        4,
        5,
        user_fields=("user_age_index", "user_zip_index", "user_taste_vector"),
        user_vectors={"user_taste_vector": 2},
        user_weights={"user_zip_index": "user_zip_weight"},
        num_user_values=6,
        item_fields={
            "item_genres": np.array(genres, np.int32),
            "item_moods": Weighted(np.array(moods, np.int32), np.array(weights, "f")),
            "item_cover": np.array(covers, np.float32),
        },
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
    tastes = tf.constant([[1.0, -2.0], [0.0, 0.0], [0.5, 3.0]])
    return {
        **{name: tf.constant(values, tf.int64) for name, values in lists.items()},
        "user_taste_vector": tastes,
        "user_zip_weight": tf.constant([[1, 0.5, 2], [3, 0, 0], [1, 0.25, 0]]),
    }


@pytest.fixture
def vectors(sizes, features):
    """Looks features up in NumPy tables and matrices; returns vectors [B, C, F, D]."""

    def mean(table, values, weights=None):
        pairs = zip(
            values, np.ones(len(values)) if weights is None else weights, strict=True
        )
        known = [(table[value], weight) for value, weight in pairs if value >= 2]
        if not sum(weight for _, weight in known):
            return np.zeros(table.shape[1])
        return np.average([v for v, _ in known], 0, [weight for _, weight in known])

    def of(user, item, user_value, item_value, taste, cover):
        given = {name: value.numpy() for name, value in features.items()}
        genres, moods, covers = sizes.item_fields.values()
        return np.array(
            [
                [
                    [
                        user[given[f.USER_INDEX][b]],
                        mean(user_value, given["user_age_index"][b]),
                        mean(
                            user_value,
                            given["user_zip_index"][b],
                            given["user_zip_weight"][b],
                        ),
                        given["user_taste_vector"][b] @ taste,
                        item[candidate],
                        mean(item_value, genres[candidate]),
                        mean(item_value, *(table[candidate] for table in moods)),
                        covers[candidate] @ cover,
                    ]
                    for candidate in given[f.ITEM_INDEX][b]
                ]
                for b in range(3)
            ]
        )

    return of
