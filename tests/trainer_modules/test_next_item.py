"""Windows against a plain oracle: what came before, and nothing of what follows."""

import dataclasses
import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

from trainer_modules import features as f
from trainer_modules.configs.sequence import AttRecConfig
from trainer_modules.interactions import Ratings
from trainer_modules.layers.last_items import last_items
from trainer_modules.tasks import next_item

# The items of each user, oldest first; some users have none.
logs = st.lists(st.lists(st.integers(1, 9), max_size=12), min_size=1, max_size=6)


def ratings_of(log):
    pairs = [(user, item) for user, items in enumerate(log, 2) for item in items]
    user, item = np.array(pairs, np.int32).reshape(-1, 2).T
    return Ratings(user, item, np.ones_like(item), np.ones(len(item), np.float32))


def window_of(items, place, length):
    """What came right before a place, padded with 0 at the end."""
    before = items[max(0, place - length) : place]
    return before + [0] * (length - len(before))


@settings(max_examples=60)
@given(logs.filter(any), st.integers(1, 7))
def test_windows_are_what_came_right_before(log, length):
    ratings = ratings_of(log)
    places = tf.range(len(ratings))
    found = next_item.windows(ratings, length)(places)
    assert found.shape == [len(ratings), length]
    assert found.dtype == tf.int32
    assert found.numpy().tolist() == [
        window_of(items, place, length) for items in log for place in range(len(items))
    ]


@settings(max_examples=60)
@given(logs.filter(any), st.integers(1, 7), st.data())
def test_neither_the_target_nor_what_follows_changes_a_window(log, length, data):
    user = data.draw(st.sampled_from([u for u, items in enumerate(log) if items]))
    place = data.draw(st.integers(0, len(log[user]) - 1))
    later = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=12))
    other = [list(items) for items in log]
    other[user][place:] = later
    first = sum(map(len, log[:user])) + place
    before, after = (
        next_item.windows(ratings_of(each), length)(tf.constant([first], tf.int32))
        for each in (log, other)
    )
    np.testing.assert_array_equal(before, after)


@given(logs, st.integers(1, 7), st.integers(0, 3))
def test_the_last_items_of_padded_histories(log, length, padding):
    width = max(map(len, log)) + padding
    history = np.zeros([len(log), width], np.int64)
    for row, items in enumerate(log):
        history[row, : len(items)] = items
    found = last_items(tf.constant(history), length)
    expected = [([0] * length + items)[-length:] for items in log]
    assert found.numpy().tolist() == expected


CONFIG = AttRecConfig(batch_size=16, num_negatives=3, max_history_length=4)


@pytest.fixture(scope="module")
def past(planted):
    """Everybody's items and labels, oldest first."""
    ratings = planted.data.train_ratings
    users = {}
    for user, item, label in zip(
        ratings.user_index.tolist(),
        ratings.item_index.tolist(),
        ratings.label.tolist(),
        strict=True,
    ):
        users.setdefault(user, []).append((item, label))
    return users


def epoch(data, config=CONFIG, seed=0, number=0):
    training_set = next_item.training_set(data, data.train_ratings, config, seed)
    first = number * training_set.steps
    return list(
        itertools.islice(training_set.batches, first, first + training_set.steps)
    )


def test_an_epoch_has_each_liked_place_once(planted, past):
    samples = set()
    for user, rated in past.items():
        items = [item for item, _ in rated]
        for place, (item, label) in enumerate(rated):
            if label == f.LIKED:
                samples.add((user, item, *window_of(items, place, 4)))
    batches = epoch(planted.data, dataclasses.replace(CONFIG, batch_size=4))
    count = 0
    for batch in batches:
        positive = batch[f.ITEM_INDEX][:, :1]
        user = batch[f.USER_INDEX][:, tf.newaxis]
        window = batch[f.HISTORY_ITEM_INDEX]
        for sample in tf.concat([user, positive, window], 1).numpy().tolist():
            count += 1
            if sample[0] != f.UNKNOWN_INDEX:  # hidden
                assert tuple(sample) in samples
                samples.remove(tuple(sample))
    assert count == 480  # 48 users liked 10 items each
    assert len(samples) < 20


def test_drawn_items_were_never_rated_by_the_user(planted, past):
    rated = {user: {item for item, _ in items} for user, items in past.items()}
    for batch in epoch(planted.data):
        assert batch[f.LABEL].numpy().tolist() == [[1, 0, 0, 0]] * len(batch[f.LABEL])
        users = batch[f.USER_INDEX].numpy().tolist()
        for user, items in zip(users, batch[f.ITEM_INDEX].numpy(), strict=True):
            assert f.PADDING_INDEX not in items
            assert not rated.get(user, set()) & set(items[1:].tolist())


def test_a_seed_repeats_its_batches_and_no_epoch_repeats_another(planted):
    def all_of(batches, name):
        return np.concatenate([batch[name] for batch in batches])

    first, same, other, later = (
        epoch(planted.data),
        epoch(planted.data),
        epoch(planted.data, seed=1),
        epoch(planted.data, number=1),
    )
    for name in (f.USER_INDEX, f.HISTORY_ITEM_INDEX, f.ITEM_INDEX):
        np.testing.assert_array_equal(all_of(first, name), all_of(same, name))
        for another in (other, later):
            assert (all_of(first, name) != all_of(another, name)).mean() > 0.3


def test_nothing_liked_is_an_error_that_says_what_to_do(transformed_log):
    disliked = transformed_log({2: [(2, 0, 1.0), (3, -1, 3.0)]}, {}, 4, 5)
    with pytest.raises(ValueError, match="no positive.*lower label.threshold"):
        epoch(disliked)
