"""Batches of positives beside items that their users have not liked."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.base import GradientConfig
from trainer_modules.tasks import retrieval

U, V, NEGATIVES = 30, 40, 3


@pytest.fixture(scope="module")
def known():
    """Half of all pairs, liked."""
    rated = np.random.default_rng(3).random([U, V]) < 0.5
    rated[:2] = rated[:, 0] = False
    return {(int(user), int(item)) for user, item in np.argwhere(rated)}


@pytest.fixture(scope="module")
def data(transformed_log, known):
    """What is liked beside one item that is not, and one that is neither."""
    log = {
        user: [(item, 1, 5.0) for liker, item in sorted(known) if liker == user]
        for user in range(2, U)
    }
    for user, rated in log.items():
        others = [item for item in range(1, V) if (user, item) not in known]
        rated += [(others[0], 0, 1.0), (others[1], -1, 3.0)]
    return transformed_log(log, {}, U, V)


def training_set(data, batch_size=4, seed=0):
    config = GradientConfig(batch_size=batch_size, num_negatives=NEGATIVES)
    return retrieval.training_set(data, data.train_ratings, config, seed)


def epochs(data, count, **settings):
    """Returns users [N] and their candidates [N, C] of each epoch."""
    made = training_set(data, **settings)
    taken = list(itertools.islice(made.batches, count * made.steps))
    parts = [taken[i * made.steps : (i + 1) * made.steps] for i in range(count)]
    return [
        [
            np.concatenate([b[name] for b in part])
            for name in (f.USER_INDEX, f.ITEM_INDEX)
        ]
        for part in parts
    ]


def test_batches_hold_what_a_model_reads_and_the_label(data, known):
    made = training_set(data)
    assert (made.steps, made.batch_size) == (len(known) // 4, 4)
    assert (made.num_candidates, made.pairs) == (4, len(known) // 4 * 16)
    assert made.batches.element_spec == {
        f.USER_INDEX: tf.TensorSpec([4], tf.int32),
        f.ITEM_INDEX: tf.TensorSpec([4, 4], tf.int32),
        f.LABEL: tf.TensorSpec([4, 4], tf.float32),
    }
    [batch] = made.batches.take(1)
    assert batch[f.LABEL].numpy().tolist() == [[1, 0, 0, 0]] * 4


def test_an_epoch_has_each_positive_at_most_once_and_known_positives_only(data, known):
    for users, items in epochs(data, 2):
        positives = list(zip(users.tolist(), items[:, 0].tolist(), strict=True))
        shown = [pair for pair in positives if pair[0] != f.UNKNOWN_INDEX]
        assert len(set(shown)) == len(shown)
        assert set(shown) <= known
        assert len(positives) > len(known) - 4
        for user, candidates in zip(users.tolist(), items.tolist(), strict=True):
            assert all((user, item) not in known for item in candidates[1:])
            assert f.PADDING_INDEX not in candidates


def test_a_hundredth_of_the_users_are_hidden(data):
    users = np.concatenate([users for users, _ in epochs(data, 20)])
    share = (users == f.UNKNOWN_INDEX).mean()
    assert abs(share - 0.01) < 5 * np.sqrt(0.01 * 0.99 / len(users))


def test_a_seed_repeats_its_batches_and_no_epoch_repeats_another(data):
    first, second = epochs(data, 2)
    for one, same in zip(first, epochs(data, 1)[0], strict=True):
        np.testing.assert_array_equal(one, same)
    [other] = epochs(data, 1, seed=1)
    for (_, one), (_, another) in ((first, second), (first, other)):
        assert (one[:, 0] != another[:, 0]).mean() > 0.5
        assert (one[:, 1:] != another[:, 1:]).mean() > 0.5


def test_nothing_liked_is_an_error_that_says_so(transformed_log):
    disliked = transformed_log({2: [(2, 0, 1.0), (3, -1, 3.0)]}, {}, U, V)
    with pytest.raises(ValueError, match=r"no positive.*label\.threshold"):
        training_set(disliked)
