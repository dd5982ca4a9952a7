"""SASRec: sections 3.1 to 3.4 of Kang and McAuley 2018, by loops."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tests.support.models import build, randomise
from tests.support.short_histories import HISTORY, ITEMS, LENGTH, SIZES
from trainer_modules import features as f

DIM, HEADS = 4, 2
ITEMS, HISTORY = ITEMS[:3], HISTORY[:3]  # the equations start at a first item


def features(history=HISTORY):
    return {
        f.ITEM_INDEX: tf.constant(ITEMS),
        f.HISTORY_ITEM_INDEX: tf.constant(history, tf.int64),
    }


@pytest.fixture
def model():
    made = build(
        "sasrec",
        SIZES,
        embedding_dim=DIM,
        max_history_length=LENGTH,
        heads=HEADS,
        inner_dim=5,
    )
    return randomise(made, features(), 0.5)


def normalised(value, layer):
    scale, shift = layer.get_weights()
    variance = value.var() + layer.epsilon
    return (value - value.mean()) / math.sqrt(variance) * scale + shift


def dense(value, layer):
    kernel, bias = layer.get_weights()
    return value @ kernel + bias


def gelu(value):
    return np.array([v / 2 * (1 + math.erf(v / math.sqrt(2))) for v in value])


def attended(values, block):
    """Each head of each position looks at that position and the ones before it."""
    joined = [dense(value, block.query_key_value) for value in values]
    query, key, content = (
        [row.reshape(3, HEADS, -1)[part] for row in joined] for part in range(3)
    )
    outputs = []
    for place in range(len(values)):
        heads = []
        for head in range(HEADS):
            weight = [
                math.exp(query[place][head] @ key[j][head] / math.sqrt(DIM / HEADS))
                for j in range(place + 1)
            ]
            mixed = sum(weight[j] * content[j][head] for j in range(place + 1))
            heads.append(mixed / sum(weight))
        outputs.append(dense(np.concatenate(heads), block.output_projection))
    return outputs


def states(model, items):
    table = model.item.embeddings.numpy().astype(np.float64)
    first = LENGTH - len(items)
    values = [
        table[item] * math.sqrt(DIM) + model.position.numpy()[first + place]
        for place, item in enumerate(items)
    ]
    for block in model.blocks:
        seen = attended([normalised(v, block.attention_norm) for v in values], block)
        values = [v + s for v, s in zip(values, seen, strict=True)]
        inner = [normalised(value, block.network_norm) for value in values]
        inner = [dense(gelu(dense(v, block.inner)), block.outer) for v in inner]
        values = [v + i for v, i in zip(values, inner, strict=True)]
    return [normalised(value, model.norm) for value in values]


def test_score_is_the_last_state_times_the_items_vector(model):
    table = model.item.embeddings.numpy()
    last = [states(model, [i for i in h if i][-LENGTH:])[-1] for h in HISTORY]
    expected = [
        [state @ table[item] for item in items]
        for state, items in zip(last, ITEMS, strict=True)
    ]
    np.testing.assert_allclose(model(features()), expected, rtol=1e-4, atol=1e-5)


def test_each_state_is_that_of_the_items_up_to_it(model):
    found = model.states(features([[9, 2, 3]])).numpy()[0]
    np.testing.assert_allclose(found, states(model, [9, 2, 3]), rtol=1e-4, atol=1e-5)
