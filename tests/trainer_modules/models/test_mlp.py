"""MLP: equation 10 of He et al. 2017, by hand."""

import numpy as np

from tests.support import with_ids


def test_score_is_a_tower_over_both_vectors_side_by_side():
    model = with_ids.model("mlp", hidden_units=(8, 6, 4, 2))
    score = model(with_ids.PAIRS)
    tower = model.tower
    users = tower.embeddings.user.embeddings.numpy()
    items = tower.embeddings.item.embeddings.numpy()
    layers = with_ids.two_sided_layers(tower)
    assert [weight.shape for weight, _ in layers] == [(8, 6), (6, 4), (4, 2)]
    [h] = tower.h.get_weights()
    for row, column, user, item in with_ids.EACH_PAIR:
        hidden = np.concatenate([users[user], items[item]])
        for weight, bias in layers:
            hidden = np.maximum(hidden @ weight + bias, 0)
        np.testing.assert_allclose(
            score[row, column], (hidden @ h)[0], rtol=1e-4, atol=1e-6
        )
