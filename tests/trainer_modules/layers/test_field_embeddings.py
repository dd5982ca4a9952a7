"""Looked up in numpy, one field of one pair at a time."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.layers.field_embeddings import FieldEmbeddings

DIM = 3


def tables(layer):
    embeddings = (layer.user, layer.item, layer.user_value, layer.item_value)
    projections = (*layer.user_projections, *layer.item_projections)
    return [
        *(embedding.embeddings.numpy() for embedding in embeddings),
        *(projection.kernel.numpy() for projection in projections),
    ]


@pytest.mark.parametrize("seed", range(5))
def test_is_the_mean_of_the_known_values_of_each_field(sizes, features, vectors, seed):
    tf.keras.utils.set_random_seed(seed)
    layer = FieldEmbeddings(sizes, DIM, stddev=1.0)
    found = layer(features)
    assert found.shape == [3, 2, 8, DIM]
    np.testing.assert_allclose(found, vectors(*tables(layer)), rtol=1e-5, atol=1e-6)


def test_a_value_that_training_did_not_see_counts_as_absent(sizes, features):
    layer = FieldEmbeddings(sizes, DIM, stddev=1.0)
    without = features | {
        "user_age_index": tf.constant([[3], [0], [0]]),
        "user_zip_index": tf.constant([[4, 5, 2], [2, 0, 0], [0, 4, 0]]),
    }
    np.testing.assert_allclose(layer(features), layer(without), rtol=1e-6)
    assert not layer(features)[2, :, 1].numpy().any()  # none is known: 0


def test_fields_of_the_time_are_between_those_of_users_and_items(
    sizes, features, vectors
):
    timed = dataclasses.replace(sizes, num_context_fields=2, num_context_values=6)
    layer = FieldEmbeddings(timed, DIM, stddev=1.0)
    context = [[2, 5], [0, 4], [3, 0]]  # 0: unknown
    found = layer(features | {f.CONTEXT: tf.constant(context)}).numpy()
    assert found.shape == (3, 2, timed.num_fields, DIM)
    assert timed.num_fields == 10
    others = np.delete(found, [4, 5], 2)
    np.testing.assert_allclose(others, vectors(*tables(layer)), rtol=1e-5, atol=1e-6)
    table = layer.context_value.embeddings.numpy()
    for row, values in enumerate(context):
        for place, value in enumerate(values):
            expected = table[value] if value else np.zeros(DIM)
            for candidate in range(2):
                np.testing.assert_allclose(found[row, candidate, 4 + place], expected)


def test_one_list_of_candidates_is_everybodys(sizes, features):
    layer = FieldEmbeddings(sizes, DIM, stddev=1.0)
    shared = layer(features | {f.ITEM_INDEX: tf.constant([[2, 4, 3]])})
    each = layer(features | {f.ITEM_INDEX: tf.constant([[2, 4, 3]] * 3)})
    assert shared.shape == [3, 3, 8, DIM]
    np.testing.assert_array_equal(shared, each)


def test_rows_are_those_of_the_sizes_and_of_the_ids_alone_where_nothing_is_known(sizes):
    nothing = dataclasses.replace(
        sizes, user_fields=(), user_vectors={}, user_weights={}, item_fields={}
    )
    for which, rows in ((sizes, [4, 5, 6, 5, 2, 3]), (nothing, [4, 5])):
        layer = FieldEmbeddings(which, DIM)
        given = {
            f.USER_INDEX: tf.constant([2]),
            f.ITEM_INDEX: tf.constant([[2]]),
        } | {name: tf.constant([[2]]) for name in which.user_fields[:2]}
        given |= {name: tf.ones([1, 2]) for name in which.user_vectors}
        given |= {name: tf.ones([1, 1]) for name in which.user_weights.values()}
        assert layer(given).shape == [1, 1, which.num_fields, DIM]
        assert sorted(w.shape[0] for w in layer.weights) == sorted(rows)
        assert {w.shape[1] for w in layer.weights} == {DIM}


def test_the_start_has_the_scale_that_is_asked_for(sizes, features):
    large = dataclasses.replace(
        sizes, num_users=4000, user_vectors={"user_taste_vector": 500}
    )
    taste = np.random.default_rng(1).normal(size=[3, 500]).astype(np.float32)
    layer = FieldEmbeddings(large, 1000, stddev=0.2, num_zeros=100)
    found = layer(features | {"user_taste_vector": tf.constant(taste)}).numpy()
    assert layer.user.embeddings.numpy()[:, :900].std() == pytest.approx(0.2, rel=0.05)
    assert found[:, 0, 3, :900].std() == pytest.approx(0.2, rel=0.1)
    assert not found[:, 0, 3, 900:].any()
