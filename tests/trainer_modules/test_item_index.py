"""The index of items against a search in NumPy through all of them."""

import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis.extra import numpy as shaped

from tests.support.models import build
from trainer_modules import features as f
from trainer_modules.item_index import NO_ROW, ItemIndex, item_index
from trainer_modules.registry import MODELS
from trainer_modules.sizes import Sizes


def best(vectors, query, left_out, num_found):
    """Rows of the largest products, best first; only of those that are not left out."""
    score = vectors @ query
    rows = [row for row in np.argsort(-score, kind="stable") if row not in left_out]
    return rows[:num_found], score[rows[:num_found]]


def search(index, query, left_out, num_found):
    row, score, _ = index.search(
        tf.constant(query, tf.float32), tf.constant(left_out), tf.constant(num_found)
    )
    return row.numpy(), score.numpy()


@given(
    data=st.data(),
    num_items=st.integers(1, 40),
    dim=st.integers(1, 5),
    seed=st.integers(0),
)
@settings(max_examples=30)
def test_if_all_lists_are_searched_nothing_is_missed(data, num_items, dim, seed):
    random = np.random.default_rng(seed)
    vectors = random.normal(size=[num_items, dim]).astype(np.float32)
    query = random.normal(size=[3, dim]).astype(np.float32)
    num_lists = data.draw(st.integers(1, num_items))
    left_out = data.draw(
        shaped.arrays(np.int32, (3, 4), elements=st.integers(NO_ROW, num_items - 1))
    )
    num_found = data.draw(st.integers(1, num_items + 2))
    index = ItemIndex(vectors, num_lists, num_lists)
    row, score = search(index, query, left_out, num_found)
    assert row.shape == score.shape == (3, num_found)
    for user in range(3):
        rows, scores = best(vectors, query[user], left_out[user], num_found)
        assert row[user, : len(rows)].tolist() == rows
        np.testing.assert_allclose(
            score[user, : len(rows)], scores, rtol=1e-4, atol=1e-5
        )
        assert (row[user, len(rows) :] == NO_ROW).all()
        assert (score[user, len(rows) :] == -np.inf).all()


def test_few_lists_find_most_of_the_best_items_whatever_their_length():
    random = np.random.default_rng(5)
    topics = random.normal(size=[50, 16])

    def near(rows):
        noise = random.normal(0, 0.5, [rows, 16])
        return topics[random.integers(50, size=rows)] + noise

    vectors = (near(5000) * np.exp(random.normal(0, 0.3, [5000, 1]))).astype(np.float32)
    query = near(100).astype(np.float32)
    index = ItemIndex(vectors, 100, 10)
    row, _ = search(index, query, np.full([100, 1], NO_ROW), 10)
    found = [
        len(set(row[user]) & set(best(vectors, query[user], (), 10)[0])) / 10
        for user in range(100)
    ]
    assert np.mean(found) > 0.9  # a tenth of the items, drawn at random, would be .1


def test_each_item_is_in_one_list():
    vectors = np.random.default_rng(0).normal(size=[300, 3]).astype(np.float32)
    index = ItemIndex(vectors, 20, 1)
    assert sorted(index.row.numpy()) == list(range(300))
    assert index.count.numpy().sum() == 300
    assert index.begin.numpy().tolist() == [
        index.count.numpy()[:place].sum() for place in range(20)
    ]
    np.testing.assert_array_equal(index.vector, vectors[index.row.numpy()])


def test_equal_vectors_leave_lists_without_items():
    index = ItemIndex(np.ones([30, 2], np.float32), 5, 5)
    row, score = search(index, [[1.0, 1.0]], [[NO_ROW]], 30)
    assert sorted(row[0]) == list(range(30))
    assert score[0].tolist() == [2.0] * 30


BY_PRODUCTS = {"mf_als", "two_tower", "sasrec", "gru4rec", "hstu", "two_stage"}


@pytest.mark.parametrize("name", MODELS)
def test_models_that_score_by_products_have_an_index_of_their_vectors(name):
    sizes = Sizes(7, 40)
    model = build(name, sizes)
    given = {
        f.USER_INDEX: tf.constant([2, 1]),
        f.ITEM_INDEX: tf.range(2, 40)[tf.newaxis],
        f.HISTORY_ITEM_INDEX: tf.constant([[5, 9], [3, 0]], tf.int64),
        f.HISTORY_LABEL: tf.constant([[1, 1], [1, 0]], tf.int64),
        f.HISTORY_TIMESTAMP: tf.constant([[1, 2], [3, 0]], tf.int64),
    }
    # The first of two stages has the vectors.
    indexed = model.retrieval if name == "two_stage" else model
    score = indexed(given).numpy()
    index = item_index(model, 40, 1000)
    assert (index is not None) is (name in BY_PRODUCTS)
    if index:
        row, found = search(index, indexed.users(given), [[NO_ROW]] * 2, 38)
        np.testing.assert_allclose(
            found, np.take_along_axis(score, row, 1), rtol=1e-4, atol=1e-5
        )
