"""Towers by hand; ids hidden in training; items without a row, by their features."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.support.models import build, configure, randomise
from trainer_modules import features as f
from trainer_modules import training
from trainer_modules.sizes import Sizes

V, NEW = 6, 2  # rows of the item table, and items after them
SIZES = Sizes(
    num_users=5,
    num_items=V,
    user_fields=("user_age_index",),
    num_user_values=5,
    item_fields={
        "item_genres": np.array(
            [[0, 0], [0, 0], [2, 3], [3, 0], [0, 0], [4, 2], [3, 2], [4, 0]], np.int32
        )
    },
    num_item_values=5,
    num_new_items=NEW,
)
USERS = {
    f.USER_INDEX: tf.constant([2, 4]),
    "user_age_index": tf.constant([[3, 0], [0, 0]]),
}


@pytest.fixture
def model():
    made = build("two_tower", SIZES, embedding_dim=3, hidden_units=(4,))
    return randomise(made, USERS | {f.ITEM_INDEX: tf.constant([[2]])}, 0.8)


def by_hand(model, user, item):
    """The product of the two towers' outputs, one box after the other."""
    tables = model.embeddings

    def vectors(table, value_table, row, values):
        own = table.embeddings.numpy()[row]
        known = [value_table.embeddings.numpy()[value] for value in values if value]
        return np.concatenate([own, np.mean(known, 0) if known else 0 * own])

    def tower(hidden, output, joined):
        [layer] = hidden.dense
        active = np.maximum(joined @ layer.kernel.numpy() + layer.bias.numpy(), 0)
        return active @ output.kernel.numpy() + output.bias.numpy()

    age = USERS["user_age_index"].numpy()[[2, 4].index(user)]
    genres = SIZES.item_fields["item_genres"][item]
    p = vectors(tables.user, tables.user_value, user, age)
    row = item if item < V else f.UNKNOWN_INDEX
    q = vectors(tables.item, tables.item_value, row, genres)
    return tower(model.user_tower, model.user_vector, p) @ tower(
        model.item_tower, model.item_vector, q
    )


def test_score_is_the_product_of_two_towers_also_of_items_without_a_row(model):
    items = range(2, V + NEW)
    score = model(USERS | {f.ITEM_INDEX: tf.constant([list(items)])}).numpy()
    expected = [[by_hand(model, user, item) for item in items] for user in (2, 4)]
    np.testing.assert_allclose(score, expected, rtol=1e-4, atol=1e-5)


def test_score_is_the_product_of_the_vectors_that_an_index_would_hold(model):
    items = tf.range(2, V + NEW)
    score = model(USERS | {f.ITEM_INDEX: items[tf.newaxis]})
    vectors = model.items(items)
    assert vectors.shape == [V + NEW - 2, 3]
    expected = model.users(USERS).numpy() @ vectors.numpy().T
    np.testing.assert_allclose(score, expected, rtol=1e-5, atol=1e-6)


def test_training_hides_the_stated_share_of_ids_and_no_features():
    model = build("two_tower", SIZES, id_dropout_rate=0.3)
    many = 4000
    items = tf.fill([many], 2)
    users = {
        f.USER_INDEX: tf.fill([many], 2),
        "user_age_index": tf.tile([[3, 0]], [many, 1]),
    }
    shown = [model.items(items), model.users(users)]
    hidden = [
        # Index 6 has the genres of index 2, and no row.
        model.items(tf.constant([6])),
        model.users({**users, f.USER_INDEX: tf.fill([many], f.UNKNOWN_INDEX)}),
    ]
    in_training = [model.items(items, training=True), model.users(users, training=True)]
    for own, other, found in zip(shown, hidden, in_training, strict=True):
        is_own = np.isclose(found, own[:1], atol=1e-6).all(1)
        is_other = np.isclose(found, other[:1], atol=1e-6).all(1)
        assert (is_own ^ is_other).all()
        assert abs(is_other.mean() - 0.3) < 5 * np.sqrt(0.3 * 0.7 / many)


def test_an_item_that_nobody_rated_is_scored_by_its_genre(transformed_log, tmp_path):
    """Even users like genre 2, odd ones genre 3; the last item of each is new."""
    random = np.random.default_rng(0)
    items, num_users = 40, 62
    genre = np.array([0, 0, *(2 + n % 2 for n in range(items + 2))], np.int32)
    log = {
        user: [
            (int(item), int(genre[item] == 2 + user % 2), 5.0)
            for item in random.choice(np.arange(2, items + 2), 20, replace=False)
        ]
        for user in range(2, num_users)
    }
    train = {user: rated[:16] for user, rated in log.items()}
    held_out = {user: rated[16:] for user, rated in log.items()}
    data = transformed_log(train, held_out, num_users, items + 2)
    sizes = Sizes(
        num_users,
        items + 2,
        item_fields={"item_genres": genre[:, np.newaxis]},
        num_item_values=4,
        num_new_items=2,
    )
    data = dataclasses.replace(data, sizes=sizes)
    model = build("two_tower", sizes)
    config = configure("two_tower", {})
    training.fit(model, config, data, seed=0, log_dir=str(tmp_path), name="two_tower")
    users = tf.range(2, num_users)
    new = tf.constant([[items + 2, items + 3]])  # of genre 2 and of genre 3
    score = model({f.USER_INDEX: users, f.ITEM_INDEX: new}).numpy()
    of_own_genre = score[np.arange(60), np.arange(60) % 2]
    of_other_genre = score[np.arange(60), 1 - np.arange(60) % 2]
    assert (of_own_genre > of_other_genre).mean() > 0.95
