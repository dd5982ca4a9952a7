"""NCF: RecLearn's form of He et al. 2017."""

import numpy as np
import tensorflow as tf

from tests.support import with_ids
from trainer_modules.tasks.losses import balanced_cross_entropy


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_product_passes_a_sigmoid():
    model = with_ids.model("ncf", embedding_dim=3, hidden_units=(4, 2))
    score = model(with_ids.PAIRS)
    tower = model.tower(with_ids.PAIRS)
    users = model.embeddings.user.embeddings.numpy()
    items = model.embeddings.item.embeddings.numpy()
    h, bias = model.prediction.get_weights()
    for row, column, user, item in with_ids.EACH_PAIR:
        product = sum(
            sigmoid(users[user, d] * items[item, d]) * h[d, 0] for d in range(3)
        )
        np.testing.assert_allclose(
            score[row, column], product + bias[0] + tower[row, column], rtol=1e-4
        )


def test_a_positive_weighs_as_much_as_all_its_negatives():
    score = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]])
    expected = [
        (-np.log(sigmoid(row[0])) - np.mean(np.log(1 - sigmoid(row[1:])))) / 2
        for row in score
    ]
    label = tf.one_hot([0, 0], 3)
    np.testing.assert_allclose(
        balanced_cross_entropy(tf.constant(score), label), expected, rtol=1e-6
    )
