"""AFM: equations 2 to 6 and 10 of Xiao et al. 2017, pair by pair."""

import itertools

import numpy as np
import tensorflow as tf

from tests.support import with_fields
from tests.support.models import build
from trainer_modules import features as f
from trainer_modules.sizes import Sizes


def attended(attention, pairs):
    """[P] weights of the products [P, D]."""
    hidden = np.maximum(
        pairs @ attention.hidden.kernel.numpy() + attention.hidden.bias.numpy(), 0
    )
    score = np.exp(hidden @ attention.score.kernel.numpy()[:, 0])
    return score / score.sum()


def test_score_adds_up_the_attended_products():
    model = with_fields.model("afm", embedding_dim=3, attention_units=4)
    fields = with_fields.vectors(model.embeddings)
    expected = with_fields.linear(model.linear)
    for place in np.ndindex(expected.shape):
        pairs = [v * w for v, w in itertools.combinations(fields[place], 2)]
        weights = attended(model.attention, np.array(pairs))
        pooled = sum(a * pair for a, pair in zip(weights, pairs, strict=True))
        expected[place] += pooled @ model.prediction.kernel.numpy()[:, 0]
    np.testing.assert_allclose(model(with_fields.PAIRS), expected, rtol=1e-4)


def test_attention_is_shared_out_among_the_pairs():
    model = with_fields.model("afm", attention_units=4)
    pairs = tf.random.stateless_normal([5, 7, 6, 16], [0, 1])
    weights = model.attention(pairs).numpy()
    assert weights.shape == (5, 7, 6, 1)
    assert weights.std() > 0.01
    np.testing.assert_allclose(weights.sum(2), 1, rtol=1e-5)


def test_starts_as_a_factorisation_machine_where_attention_is_even():
    model = build("afm", with_fields.SIZES, embedding_dim=3)
    model(with_fields.PAIRS)  # makes the weights
    model.attention.score.kernel.assign(tf.zeros_like(model.attention.score.kernel))
    expected = with_fields.linear(model.linear)
    fields = with_fields.vectors(model.embeddings)
    for place in np.ndindex(expected.shape):
        pairs = itertools.combinations(fields[place], 2)
        expected[place] += sum(v @ w for v, w in pairs)
    np.testing.assert_allclose(model(with_fields.PAIRS), expected, rtol=1e-4)


def test_the_matrix_of_the_attention_decays():
    model = with_fields.model("afm", attention_units=4, attention_l2=0.3, l2=0.0)
    model(with_fields.PAIRS, training=True)
    squares = np.sum(model.attention.hidden.kernel.numpy() ** 2)
    np.testing.assert_allclose(sum(model.losses), 0.3 * squares, rtol=1e-5)


def test_one_pair_has_all_attention():
    model = with_fields.model("afm", Sizes(5, 6))
    user = model.embeddings.user.embeddings.numpy()[2]
    item = model.embeddings.item.embeddings.numpy()[3]
    weights = model.linear.weights_of_values
    expected = (
        model.linear.bias
        + weights.user.embeddings[2, 0]
        + weights.item.embeddings[3, 0]
        + (user * item) @ model.prediction.kernel.numpy()[:, 0]
    )
    pair = {f.USER_INDEX: tf.constant([2]), f.ITEM_INDEX: tf.constant([[3]])}
    np.testing.assert_allclose(model(pair)[0, 0], expected, rtol=1e-4)
