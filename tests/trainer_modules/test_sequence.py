"""Pieces of histories against a plain oracle; losses against loops over positions."""

import dataclasses
import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

from trainer_modules import features as f
from trainer_modules.configs.sequence import CausalConfig
from trainer_modules.inputs import Data
from trainer_modules.interactions import Ratings
from trainer_modules.sizes import Sizes
from trainer_modules.tasks import catalogue_softmax, losses, sequence

# The items of each user, oldest first; some users have none. Even items are liked.
logs = st.lists(st.lists(st.integers(2, 9), max_size=12), min_size=1, max_size=6)


START = 978_300_000  # seconds UTC


def ratings_of(log):
    pairs = [(user, item) for user, items in enumerate(log, 2) for item in items]
    user, item = np.array(pairs, np.int32).reshape(-1, 2).T
    liked = (item % 2 == 0).astype(np.int32)
    time = START + np.arange(len(item)) ** 2
    return Ratings(user, item, liked, np.ones(len(item), np.float32), time)


def all_pieces(ratings, length):
    count, piece = sequence.pieces(ratings, length)
    return {name: column.numpy() for name, column in piece(range(count)).items()}


@settings(max_examples=100)
@given(logs.filter(any), st.integers(1, 7))
def test_each_rating_but_the_first_follows_one_position(log, length):
    ratings = ratings_of(log)
    cut = all_pieces(ratings, length)
    expected, all_times = [], ratings.timestamp.tolist()
    for items in log:
        times, all_times = all_times[: len(items)], all_times[len(items) :]
        last = len(items) - 1  # position of the newest target of a piece
        while last > 0:
            first = max(1, last - length + 1)
            pad = [0] * (length - (last - first + 1))
            expected.append(
                (
                    pad + items[first - 1 : last],
                    pad + items[first : last + 1],
                    pad + [int(item % 2 == 0) for item in items[first : last + 1]],
                    pad + times[first - 1 : last],
                )
            )
            last -= length
    names = f.HISTORY_ITEM_INDEX, f.ITEM_INDEX, f.LABEL, f.HISTORY_TIMESTAMP
    found = zip(*(cut[name].tolist() for name in names), strict=True)
    assert list(found) == expected
    assert cut[f.HISTORY_ITEM_INDEX].shape[1] == length
    dtypes = [np.int32] * 3 + [np.int64]
    assert [cut[name].dtype for name in names] == dtypes
    without = dataclasses.replace(ratings, timestamp=None)
    assert set(all_pieces(without, length)) == set(names[:3])


def test_batches_have_what_was_liked_next_as_targets():
    log = [[2, 3, 4, 5, 6, 8], [7, 2], [4, 5]]
    data = Data([], [], {}, Sizes(num_users=5, num_items=9), 0)
    config = CausalConfig(max_history_length=3, num_negatives=2)
    made = sequence.training_set(data, ratings_of(log), config, seed=0)
    rows = list(itertools.islice(made.batches.unbatch(), made.steps * made.batch_size))
    columns = f.HISTORY_ITEM_INDEX, f.ITEM_INDEX, f.LABEL
    found = sorted([row[name].numpy().tolist() for name in columns] for row in rows)
    times = sorted((row[f.HISTORY_TIMESTAMP] - START).numpy().tolist() for row in rows)
    before = -START  # padding
    assert times == [
        [before, before, 36],  # of [7, 2]
        [before, before, 64],  # of [4, 5]
        [before, 0, 1],
        [4, 9, 16],
    ]
    assert found == [
        [[0, 0, 4], [0, 0, 0], [0, 0, 0]],
        [[0, 0, 7], [0, 0, 2], [0, 0, 1]],
        [[0, 2, 3], [0, 0, 4], [0, 0, 1]],
        [[4, 5, 6], [0, 6, 8], [0, 1, 1]],
    ]
    assert made.losses_per_row == 4 / 4


@pytest.mark.parametrize(("num_negatives", "is_whole"), [(7, False), (8, True)])
def test_a_catalogue_that_is_no_larger_than_the_sample_is_taken_whole(
    num_negatives, is_whole
):
    data = Data([], [], {}, Sizes(num_users=5, num_items=9), 0)
    config = CausalConfig(num_negatives=num_negatives)
    made = sequence.training_set(data, ratings_of([[2, 3, 4]]), config, seed=0)
    first, second = itertools.islice(made.batches, 2)
    others = first[sequence.OTHERS][0].numpy()
    if is_whole:
        assert others.tolist() == list(range(1, 9))
    else:
        assert others.shape == (7,)
        assert set(others) < set(range(1, 9))
        assert others.tolist() != second[sequence.OTHERS][0].numpy().tolist()


class Linear:
    """States and vectors that are tables."""

    def __init__(self, num_items, dim):
        self.table = tf.random.stateless_normal([num_items, dim], [1, 2])

    def states(self, last, training=False):
        del training
        return tf.gather(self.table, last[f.HISTORY_ITEM_INDEX]) * 0.5

    def items(self, item):
        return tf.gather(self.table, item)


@pytest.mark.parametrize("num_negatives", [4, 8], ids=["drawn", "all"])
@pytest.mark.parametrize("again_after", [None, 3600])
def test_own_items_are_compared_if_they_can_be_recommended_again(
    num_negatives, again_after
):
    log = [[2, 3, 4, 5, 6, 8], [7, 2], [4, 5]]
    data = Data([], [], {}, Sizes(num_users=5, num_items=9), 0, again_after=again_after)
    config = CausalConfig(max_history_length=3, num_negatives=num_negatives)
    made = sequence.training_set(data, ratings_of(log), config, seed=0)
    for row in itertools.islice(made.batches.unbatch(), 20):
        if again_after is not None:
            assert sequence.OWN not in row
            continue
        own = {*row[f.HISTORY_ITEM_INDEX].numpy()}
        newest = next(items for items in log if own - {0} <= {*items})
        place = max(newest.index(item) for item in own - {0})
        own.add(newest[place + 1])
        expected = [item in own for item in row[sequence.OTHERS].numpy()]
        assert row[sequence.OWN].numpy().tolist() == expected


OWN = [{2, 5}, {3, 4, 8, 2}]  # items of the two users of the tests below


def own_of(others):
    return tf.constant([[item in own for item in others] for own in OWN])


@pytest.mark.parametrize("own", [[set(), set()], OWN], ids=["all", "new to the user"])
@pytest.mark.parametrize("others", [range(1, 9), [3, 8, 3]])
def test_softmax_is_of_what_followed_among_the_other_items(others, own):
    model, others = Linear(9, 4), list(others)
    history, target = [[0, 2, 5], [4, 3, 8]], [[0, 5, 0], [3, 8, 2]]
    batch = {
        f.HISTORY_ITEM_INDEX: tf.constant(history),
        f.ITEM_INDEX: tf.constant(target),
        sequence.OTHERS: tf.constant([others, others]),
    }
    if own is OWN:
        batch[sequence.OWN] = own_of(others)
    found = sequence.losses_of_next_items(model, batch, losses.softmax)
    table, expected = model.table.numpy().astype(float), []
    for row in range(2):
        for place in range(3):
            if not target[row][place]:
                continue
            state = table[history[row][place]] * 0.5
            right = state @ table[target[row][place]]
            left_out = {*own[row], target[row][place]}
            wrong = [state @ table[j] for j in others if j not in left_out]
            expected.append(np.log(np.sum(np.exp([right, *wrong]))) - right)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("has_own", [False, True])
@pytest.mark.parametrize("weight", [None, [[0, 0.5, 0], [3, 0, 2]]])
@pytest.mark.parametrize("size", [1, 512])
def test_softmax_over_the_catalogue_is_the_sum_of_all_losses(
    monkeypatch, size, weight, has_own
):
    monkeypatch.setattr(catalogue_softmax, "STATES_PER_BLOCK", size)
    model = Linear(9, 4)
    batch = {
        f.HISTORY_ITEM_INDEX: tf.constant([[0, 2, 5], [4, 3, 8]]),
        f.ITEM_INDEX: tf.constant([[0, 5, 0], [3, 8, 2]]),
        sequence.OTHERS: tf.constant([range(1, 9)] * 2),
    }
    if has_own:
        batch[sequence.OWN] = own_of(range(1, 9))
    if weight:
        batch[f.WEIGHT] = tf.constant(weight)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(model.table)
        each = sequence.losses_of_next_items(model, batch, losses.softmax)
        found = sequence.softmax_over_catalogue(model, batch, losses.softmax)
    np.testing.assert_allclose(found, tf.reduce_sum(each), rtol=1e-5)
    gradients = [tape.gradient(loss, model.table) for loss in (each, found)]
    np.testing.assert_allclose(*map(tf.convert_to_tensor, gradients), atol=1e-5)


@pytest.mark.parametrize(
    ("loss", "num_negatives", "by_catalogue"),
    [("softmax", 8, True), ("softmax", 7, False), ("gbce", 8, False)],
)
def test_only_the_softmax_of_a_whole_catalogue_is_summed_in_blocks(
    loss, num_negatives, by_catalogue
):
    data = Data([], [], {}, Sizes(num_users=5, num_items=9), 0)
    config = CausalConfig(loss=loss, num_negatives=num_negatives)
    made = sequence.training_set(data, ratings_of([[2, 3, 4]]), config, seed=0)
    assert (made.losses is sequence.softmax_over_catalogue) == by_catalogue


def test_gbce_has_the_beta_of_petrov_and_macdonald():
    """Beta is that of their code, https://github.com/asash/gSASRec-pytorch."""
    score = np.array([[0.3, -1.0, 2.0], [1.5, 0.2, -0.4]])
    sigmoid = 1 / (1 + np.exp(-score))
    for num_items, calibration in ((9, 0.0), (9, 0.75), (3, 1.0)):
        alpha = 2 / (num_items - 1)
        beta = alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
        expected = -beta * np.log(sigmoid[:, 0]) - np.log(1 - sigmoid[:, 1:]).sum(1)
        found = losses.gbce(
            tf.constant(score[:, 0]), tf.constant(score[:, 1:]), num_items, calibration
        )
        np.testing.assert_allclose(found, expected)
