"""Users and items with and without side features, and plain arithmetic over them."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.sizes import Sizes

GENRES = np.array([[0, 0], [0, 0], [2, 3], [3, 0], [0, 0], [4, 2]], np.int32)
SIZES = Sizes(
    num_users=5,
    num_items=len(GENRES),
    user_fields=("user_gender_index",),
    num_user_values=4,
    item_fields={"item_genres": GENRES},
    num_item_values=5,
)
USER, ITEM = [2, 4, 3], [[3, 5], [2, 4], [5, 1]]
GENDER = [[3, 0], [2, 3], [0, 0]]


@pytest.fixture(scope="session")
def with_fields(build):
    """Makes a model over four fields; its weights are not those it starts with.

    Returns pairs for it, and slow versions of what several models share.
    """

    def model(name, sizes=SIZES, **overrides):
        return randomised(build(name, sizes, **overrides), PAIRS, 0.5)

    return SimpleNamespace(
        model=model,
        sizes=SIZES,
        pairs=PAIRS,
        vectors=vectors,
        linear=linear,
        tower=tower,
        prediction=prediction,
    )


@pytest.fixture(scope="session")
def with_ids(build):
    """The same of a model over the ids alone."""

    def model(name, **overrides):
        return randomised(build(name, ID_SIZES, **overrides), ID_PAIRS, 0.8)

    return SimpleNamespace(
        model=model,
        sizes=ID_SIZES,
        pairs=ID_PAIRS,
        each_pair=[
            (row, column, USER_OF_IDS[row], item)
            for row, items in enumerate(ITEM_OF_IDS)
            for column, item in enumerate(items)
        ],
        two_sided_layers=two_sided_layers,
    )


def randomised(model, pairs, stddev):
    model(pairs)
    random = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(random.normal(0, stddev, weight.shape))
    return model


ID_SIZES = Sizes(num_users=5, num_items=6)
USER_OF_IDS, ITEM_OF_IDS = [2, 4], [[3, 5, 1], [1, 2, 2]]
ID_PAIRS = {
    f.USER_INDEX: tf.constant(USER_OF_IDS),
    f.ITEM_INDEX: tf.constant(ITEM_OF_IDS),
}

PAIRS = {
    f.USER_INDEX: tf.constant(USER),
    f.ITEM_INDEX: tf.constant(ITEM),
    "user_gender_index": tf.constant(GENDER),
}


def vectors(embeddings):
    """[B, C, F, D]: the vectors of the ids, the means of the known values."""

    def mean(table, indices):
        known = [table[index] for index in indices if index >= f.NUM_RESERVED]
        return np.mean(known, 0) if known else np.zeros(table.shape[1])

    user, item, user_value, item_value = (
        layer.embeddings.numpy().astype(np.float64)
        for layer in (
            embeddings.user,
            embeddings.item,
            embeddings.user_value,
            embeddings.item_value,
        )
    )
    return np.array(
        [
            [
                [
                    user[USER[row]],
                    mean(user_value, GENDER[row]),
                    item[index],
                    mean(item_value, GENRES[index]),
                ]
                for index in ITEM[row]
            ]
            for row in range(len(USER))
        ]
    )


def linear(terms):
    """[B, C]: a bias and the weight of each field."""
    return terms.bias.numpy() + vectors(terms.weights_of_values).sum((-2, -1))


def tower(layers, inputs):
    """ReLU layers over [..., N]."""
    hidden = inputs
    for layer in layers.dense:
        hidden = np.maximum(hidden @ layer.kernel.numpy() + layer.bias.numpy(), 0)
    return hidden


def prediction(model, inputs):
    """[...]: the logit of a tower over [..., N]."""
    hidden = tower(model.tower, inputs)
    last = model.prediction
    return (hidden @ last.kernel.numpy() + last.bias.numpy())[..., 0]


def two_sided_layers(tower):
    """(weight, bias) of each layer of a tower over user and item side by side."""
    [of_user] = tower.first_user.get_weights()
    of_item, bias = tower.first_item.get_weights()
    deeper = [layer.get_weights() for layer in tower.deeper.dense]
    return [(np.concatenate([of_user, of_item]), bias), *deeper]
