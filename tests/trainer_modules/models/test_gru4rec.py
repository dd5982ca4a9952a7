"""GRU4Rec: the equations of a gated recurrent unit, step by step."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support.models import build, randomise
from tests.support.short_histories import HISTORY, ITEMS, LENGTH, SIZES
from trainer_modules import features as f


def features(history=HISTORY):
    return {
        f.ITEM_INDEX: tf.constant(ITEMS),
        f.HISTORY_ITEM_INDEX: tf.constant(history, tf.int64),
    }


@pytest.fixture(params=[(6,), (5, 3)], ids=["one layer", "two layers"])
def model(request):
    made = build(
        "gru4rec",
        SIZES,
        embedding_dim=4,
        max_history_length=LENGTH,
        hidden_units=request.param,
    )
    return randomise(made, features(), 0.7)


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


def recurrent(values, layer):
    """The states of a unit that starts at 0; its gates are update, reset and new."""
    kernel, recurrent_kernel, bias = layer.get_weights()
    state, found = np.zeros(layer.cell.units), []
    for value in values:
        given = np.split(value @ kernel + bias[0], 3)
        kept = np.split(state @ recurrent_kernel + bias[1], 3)
        update = sigmoid(given[0] + kept[0])
        reset = sigmoid(given[1] + kept[1])
        new = np.tanh(given[2] + reset * kept[2])
        state = update * state + (1 - update) * new
        found.append(state)
    return found


def states(model, items):
    values = list(model.item.embeddings.numpy().astype(np.float64)[items])
    for layer in model.recurrent:
        values = recurrent(values, layer)
    kernel, bias = model.projection.get_weights()
    return [value @ kernel + bias for value in values]


def test_score_is_the_last_state_times_the_items_vector(model):
    table, bias = model.item.embeddings.numpy(), model.projection.get_weights()[1]
    expected = []
    for history, items in zip(HISTORY, ITEMS, strict=True):
        last = [item for item in history if item][-LENGTH:]
        state = states(model, last)[-1] if last else bias
        expected.append(table[items] @ state)
    np.testing.assert_allclose(model(features()), expected, rtol=1e-4, atol=1e-5)


def test_padding_in_front_changes_no_state(model):
    found = model.states(features([[9, 2, 3], [0, 9, 2], [0, 0, 9]])).numpy()
    expected = states(model, [9, 2, 3])
    for row, num_items in enumerate((3, 2, 1)):
        np.testing.assert_allclose(
            found[row, -num_items:], expected[:num_items], rtol=1e-4, atol=1e-5
        )
    bias = model.projection.get_weights()[1]
    np.testing.assert_array_equal(found[2, :2], [bias, bias])
