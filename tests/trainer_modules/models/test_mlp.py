"""MLP: equation 10 of He et al. 2017, by hand."""

import numpy as np
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.sizes import Sizes

SIZES = Sizes(num_users=5, num_items=6)


def test_score_is_a_tower_over_both_vectors_side_by_side(build):
    model = build("mlp", SIZES, hidden_units=(8, 6, 4, 2))
    pairs = {f.USER_INDEX: [2, 3], f.ITEM_INDEX: [[2, 5, 4], [4, 3, 1]]}
    pairs = {name: tf.constant(index) for name, index in pairs.items()}
    random = np.random.default_rng(0)
    model(pairs)
    for weight in model.trainable_variables:
        weight.assign(random.normal(0, 0.8, weight.shape))
    score = model(pairs)

    tower = model.tower
    users = tower.embeddings.user.embeddings.numpy()
    items = tower.embeddings.item.embeddings.numpy()
    [of_user] = tower.first_user.get_weights()
    of_item, bias = tower.first_item.get_weights()
    layers = [(np.concatenate([of_user, of_item]), bias)]
    layers += [layer.get_weights() for layer in tower.deeper.dense]
    assert [weight.shape for weight, _ in layers] == [(8, 6), (6, 4), (4, 2)]
    [h] = tower.h.get_weights()
    for row, user in enumerate(pairs[f.USER_INDEX]):
        for column, item in enumerate(pairs[f.ITEM_INDEX][row]):
            hidden = np.concatenate([users[user], items[item]])
            for weight, bias in layers:
                hidden = np.maximum(hidden @ weight + bias, 0)
            np.testing.assert_allclose(
                score[row, column], (hidden @ h)[0], rtol=1e-4, atol=1e-6
            )
