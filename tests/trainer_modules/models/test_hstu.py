"""HSTU: sections 3 and 4.1 of Zhai et al. 2024, by loops."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tests.support.models import build, randomise
from trainer_modules import features as f
from trainer_modules.sizes import Sizes

SIZES = Sizes(num_users=5, num_items=12)
DIM, LENGTH, HEADS, TEMPERATURE = 4, 3, 2, 0.1
ITEMS = [[2, 5, 11], [3, 4, 7], [2, 3, 9]]
# Longer than L, exactly L and one item.
HISTORY = [[9, 2, 3, 4, 8], [5, 6, 1, 0, 0], [7, 0, 0, 0, 0]]


def features(history=HISTORY):
    return {
        f.ITEM_INDEX: tf.constant(ITEMS),
        f.HISTORY_ITEM_INDEX: tf.constant(history, tf.int64),
    }


@pytest.fixture
def model():
    made = build(
        "hstu",
        SIZES,
        embedding_dim=DIM,
        max_history_length=LENGTH,
        blocks=2,
        heads=HEADS,
        temperature=TEMPERATURE,
    )
    return randomise(made, features(), 0.5)


def normalised(value):
    return (value - value.mean()) / math.sqrt(value.var() + 1e-6)


def unit(value):
    return value / math.sqrt(value @ value)


def silu(value):
    return value / (1 + np.exp(-value))


def attended(query, key, content, place, bias):
    """The mean over the positions up to one, each weighted by a SiLU."""
    heads = []
    for head in range(HEADS):
        part = slice(head * DIM // HEADS, (head + 1) * DIM // HEADS)
        total = 0
        for j in range(place + 1):
            affinity = query[place][part] @ key[j][part] + bias[place - j]
            total = total + silu(affinity) * content[j][part]
        heads.append(total / (place + 1))
    return np.concatenate(heads)


def states(model, items):
    table = model.item.embeddings.numpy().astype(np.float64)
    first = LENGTH - len(items)
    values = [
        table[item] * math.sqrt(DIM) + model.position.numpy()[first + place]
        for place, item in enumerate(items)
    ]
    for block in model.blocks:
        [kernel], bias = block.projections.get_weights(), block.distance_bias.numpy()
        outer, shift = block.output_projection.get_weights()
        joined = [silu(normalised(value) @ kernel) for value in values]
        gate, content, query, key = (
            [row[part * DIM : (part + 1) * DIM] for row in joined] for part in range(4)
        )
        for place in range(len(values)):
            seen = normalised(attended(query, key, content, place, bias))
            values[place] = values[place] + (seen * gate[place]) @ outer + shift
    return [unit(value) / TEMPERATURE for value in values]


def test_score_is_the_cosine_of_the_last_state_and_the_item(model):
    table = model.item.embeddings.numpy()
    last = [states(model, [i for i in h if i][-LENGTH:])[-1] for h in HISTORY]
    expected = [
        [state @ unit(table[item]) for item in items]
        for state, items in zip(last, ITEMS, strict=True)
    ]
    np.testing.assert_allclose(model(features()), expected, rtol=1e-4, atol=1e-5)


def test_each_state_is_that_of_the_items_up_to_it(model):
    found = model.states(tf.constant([[9, 2, 3]])).numpy()[0]
    np.testing.assert_allclose(found, states(model, [9, 2, 3]), rtol=1e-4, atol=1e-5)
    later = model.states(tf.constant([[9, 2, 8]])).numpy()[0]
    np.testing.assert_array_equal(found[:2], later[:2])
    assert np.abs(found[2] - later[2]).max() > 1e-3
