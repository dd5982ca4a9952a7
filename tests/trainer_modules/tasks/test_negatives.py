"""Negatives: never a positive, in proportion to popularity, for every user."""

import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

from tests.support.models import make_interactions
from trainer_modules.tasks.negatives import negative_sampler

USERS, ITEMS, DRAWS = 8, 12, 200_000


@pytest.fixture(scope="module")
def liked():
    """[USERS, ITEMS] of the real rows; user 2 likes all, user 3 all with an id."""
    random = np.random.default_rng(0)
    matrix = random.random([USERS, ITEMS]) < np.linspace(0.9, 0.1, ITEMS)
    matrix[:2] = matrix[:, 0] = matrix[:, 1] = False
    matrix[2, 1:] = matrix[3, 2:] = True
    matrix[4] = False
    matrix[4, [5, ITEMS - 1]] = True
    return matrix


def drawn(liked, power, user):
    draw = negative_sampler(make_interactions(np.argwhere(liked), USERS, ITEMS), power)
    uniform = tf.random.stateless_uniform([1, DRAWS], seed=[7, user])
    items = draw(tf.constant([user]), uniform)
    assert items.dtype == tf.int32
    return items.numpy()[0]


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("user", [4, 5, 6, 7])
def test_others_are_drawn_in_proportion_to_popularity_to_the_power(liked, power, user):
    found = np.bincount(drawn(liked, power, user), minlength=ITEMS)
    popularity = liked.sum(0).astype(float)
    weight = np.where(liked[user], 0, popularity**power)
    weight[0] = 0  # padding
    np.testing.assert_allclose(found / DRAWS, weight / weight.sum(), atol=0.005)
    assert not found[liked[user]].any()
    assert not found[0]


@pytest.mark.parametrize("power", [0.0, 0.7])
def test_who_likes_all_but_the_unknown_row_gets_it(liked, power):
    assert set(drawn(liked, power, 3)) == {1}


@pytest.mark.parametrize("power", [0.0, 0.7])
def test_who_likes_everything_gets_no_padding(liked, power):
    assert drawn(liked, power, 2).min() > 0
    assert drawn(liked, power, 2).max() < ITEMS


def test_users_of_a_batch_have_draws_of_their_own(liked):
    draw = negative_sampler(make_interactions(np.argwhere(liked), USERS, ITEMS), 0.5)
    uniform = tf.random.stateless_uniform([USERS - 3, 50], seed=[1, 1])
    users = np.arange(3, USERS)
    together = draw(tf.constant(users), uniform).numpy()
    for row, user in enumerate(users):
        alone = draw(tf.constant([user]), uniform[row : row + 1])
        np.testing.assert_array_equal(alone[0], together[row])
        assert not liked[user, together[row]].any()


@pytest.mark.parametrize("edge", [0.0, np.nextafter(np.float32(1), np.float32(0))])
@pytest.mark.parametrize("power", [0.0, 1.0])
def test_the_ends_of_the_unit_interval_are_items_too(liked, power, edge):
    draw = negative_sampler(make_interactions(np.argwhere(liked), USERS, ITEMS), power)
    users = np.arange(3, USERS)
    items = draw(tf.constant(users), tf.fill([len(users), 1], np.float32(edge)))
    for user, [item] in zip(users, items.numpy(), strict=True):
        assert 0 < item < ITEMS
        assert not liked[user, item]


@settings(max_examples=60)
@given(st.sets(st.tuples(st.integers(1, 5), st.integers(1, 6)), min_size=1))
def test_each_item_without_a_positive_has_an_equal_share_of_the_unit_interval(pairs):
    draw = negative_sampler(make_interactions(sorted(pairs), 6, 7))
    for user in range(1, 6):
        others = sorted(set(range(1, 7)) - {item for u, item in pairs if u == user})
        if others:
            middles = (np.arange(len(others)) + 0.5) / len(others)
            found = draw(tf.constant([user]), tf.constant([middles], tf.float32))
            assert found.numpy().tolist() == [others]
