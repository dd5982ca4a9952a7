"""What the task "rating" trains on, counted by hand."""

import itertools

import pytest
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.base import GradientConfig
from trainer_modules.tasks import rating

U, V = 5, 9
RATED = {  # user: (item, label, stars); -1 is neither liked nor disliked
    2: [(2, 1, 5.0), (3, 0, 1.0), (4, -1, 3.0), (1, 1, 4.5)],
    3: [(2, 0, 2.0), (5, 1, 4.0), (6, -1, 3.0)],
    4: [(7, -1, 3.0)],
}
LIKED = {user: [row for row in rows if row[1] == 1] for user, rows in RATED.items()}


def batches(data, epochs=1, seed=0, **settings):
    """Users, items and labels of each row, and the hidden users counted."""
    config = GradientConfig(task="rating", **settings)
    training_set = rating.training_set(data, data.train_ratings, config, seed)
    taken = itertools.islice(training_set.batches, epochs * training_set.steps)
    return training_set, [
        (
            int(batch[f.USER_INDEX][0]),
            batch[f.ITEM_INDEX][0].numpy().tolist(),
            batch[f.LABEL][0].numpy().tolist(),
        )
        for batch in taken  # so little data are one row in a batch
    ]


@pytest.fixture
def data(transformed_log):
    return transformed_log(RATED, {}, U, V)


def test_learns_from_what_was_liked_and_disliked_and_nothing_else(data):
    training_set, rows = batches(data, num_negatives=0)
    assert sorted(rows) == sorted(
        (user, [item], [label])
        for user, rated in RATED.items()
        for item, label, _ in rated
        if label != f.NEITHER
    )
    assert (training_set.steps, training_set.batch_size) == (5, 1)
    assert training_set.pairs == 5


def test_learns_stars_from_every_rating(data):
    _, rows = batches(data, num_negatives=0, loss="squared_error")
    assert sorted(rows) == sorted(
        (user, [item], [stars])
        for user, rated in RATED.items()
        for item, _, stars in rated
    )


def test_negatives_are_never_rated_at_all(data):
    training_set, rows = batches(data, epochs=60, num_negatives=3)
    assert training_set.pairs == 5 * 4
    drawn = {2: set(), 3: set()}
    for user, (_, *others), (_, *labels) in rows:
        assert labels == [0] * 3
        if user != f.UNKNOWN_INDEX:  # some are hidden
            drawn[user] |= set(others)
    for user, others in drawn.items():
        assert others == set(range(1, V)) - {item for item, _, _ in RATED[user]}


def test_the_same_seed_gives_the_same_batches(data):
    once, again, other = (
        batches(data, epochs=4, seed=seed, num_negatives=3)[1] for seed in (7, 7, 8)
    )
    assert once == again != other


def test_one_kind_of_label_is_an_error_without_negatives(transformed_log):
    only_liked = transformed_log(LIKED, {}, U, V)
    with pytest.raises(ValueError, match="only one class.*num_negatives"):
        batches(only_liked, num_negatives=0)
    _, rows = batches(only_liked, num_negatives=1)
    assert {tuple(label) for _, _, label in rows} == {(1.0, 0.0)}


def test_batches_have_fixed_shapes_and_the_users_fields(planted):
    config = GradientConfig(task="rating", num_negatives=2, batch_size=4)
    data = planted.data
    training_set = rating.training_set(data, data.train_ratings, config, 0)
    shapes = {
        name: (spec.shape.as_list(), spec.dtype)
        for name, spec in training_set.batches.element_spec.items()
    }
    assert shapes == {
        f.USER_INDEX: ([4], tf.int32),
        "user_gender_index": ([4, 1], tf.int32),
        "user_occupation_index": ([4, 3], tf.int32),
        "user_moods_index": ([4, 2], tf.int32),
        "user_moods_weight": ([4, 2], tf.float32),
        "user_taste_vector": ([4, 3], tf.float32),
        f.ITEM_INDEX: ([4, 3], tf.int32),
        f.LABEL: ([4, 3], tf.float32),
    }
