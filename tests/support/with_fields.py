"""Three users and four fields: inputs, and plain arithmetic that models share."""

from typing import Any

import numpy as np
import tensorflow as tf

from tests.support.models import build, randomise
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
PAIRS = {
    f.USER_INDEX: tf.constant(USER),
    f.ITEM_INDEX: tf.constant(ITEM),
    "user_gender_index": tf.constant(GENDER),
}


def model(name: str, sizes: Sizes = SIZES, **overrides: Any) -> tf.keras.Model:
    """Returns a model over the fields, with random weights."""
    return randomise(build(name, sizes, **overrides), PAIRS, 0.5)


def vectors(embeddings: Any) -> np.ndarray:
    """Returns the vectors of the IDs and the means of the known values, [B, C, F, D].

    Args:
        embeddings: A layer of field embeddings.
    """

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


def linear(terms: Any) -> np.ndarray:
    """Returns the bias plus the weight of each field, [B, C]."""
    return terms.bias.numpy() + vectors(terms.weights_of_values).sum((-2, -1))


def tower(layers: Any, inputs: np.ndarray) -> np.ndarray:
    """Applies ReLU layers to inputs [..., N]."""
    hidden = inputs
    for layer in layers.dense:
        hidden = np.maximum(hidden @ layer.kernel.numpy() + layer.bias.numpy(), 0)
    return hidden


def prediction(model: Any, inputs: np.ndarray) -> np.ndarray:
    """Returns the logits [...] of the model's tower over inputs [..., N]."""
    hidden = tower(model.tower, inputs)
    last = model.prediction
    return (hidden @ last.kernel.numpy() + last.bias.numpy())[..., 0]
