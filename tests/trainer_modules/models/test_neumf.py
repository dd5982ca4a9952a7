"""NeuMF: equations 8 to 12 and figure 3 of He et al. 2017, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules import features as f

USERS, ITEMS = 5, 6


@pytest.fixture
def model(build):
    model = build("neumf", USERS, ITEMS, embedding_dim=3, hidden_units=(8, 6, 4, 2))
    random = np.random.default_rng(0)
    model({f.USER_INDEX: tf.constant([2]), f.ITEM_INDEX: tf.constant([[2]])})
    for weight in model.trainable_variables:
        weight.assign(random.normal(0, 0.8, weight.shape))
    return model


def test_score_is_the_papers_formula(model):
    user, item = 3, 4

    def table(layer):
        return layer.embeddings.numpy().astype(np.float64)

    def dense(layer):
        return [weight.numpy().astype(np.float64) for weight in layer.weights]

    # Equation 8: the generalised product.
    gmf = table(model.gmf_user)[user] * table(model.gmf_item)[item]
    # Equation 10: the tower over both vectors side by side.
    [of_user], [of_item, bias] = dense(model.first_user), dense(model.first_item)
    tower = np.concatenate([table(model.mlp_user)[user], table(model.mlp_item)[item]])
    layers = [(np.concatenate([of_user, of_item]), bias)]
    layers += [tuple(dense(layer)) for layer in model.deeper]
    assert [weight.shape for weight, _ in layers] == [(8, 6), (6, 4), (4, 2)]
    for weight, bias in layers:
        tower = np.maximum(tower @ weight + bias, 0)
    # Equation 12: both, joined; the sigmoid is the loss's and the server's.
    last, bias = dense(model.prediction)
    expected = np.concatenate([gmf, tower]) @ last + bias

    pairs = {f.USER_INDEX: [2, user], f.ITEM_INDEX: [[2], [item]]}
    score = model({name: tf.constant(index) for name, index in pairs.items()})
    np.testing.assert_allclose(score[1], expected, rtol=1e-5)


def test_weight_decay_is_of_all_embeddings(build):
    model = build("neumf", USERS, ITEMS, l2=0.1)
    model({f.USER_INDEX: tf.constant([2]), f.ITEM_INDEX: tf.constant([[2]])})
    tables = [model.gmf_user, model.gmf_item, model.mlp_user, model.mlp_item]
    squares = sum((table.embeddings.numpy() ** 2).sum() for table in tables)
    np.testing.assert_allclose(sum(model.losses), 0.1 * squares, rtol=1e-5)
