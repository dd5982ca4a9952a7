"""DCN: the crosses of Wang et al. 2017 and 2021 by hand."""

import numpy as np
import pytest

from tests.support import with_fields


def vector_cross(layer, x_0, x):
    """Equation 3 of 2017, with the outer product that it need not make."""
    weight = layer.product.kernel.numpy()[:, 0]
    return np.outer(x_0, x) @ weight + layer.bias.numpy() + x


def matrix_cross(layer, x_0, x):
    """Equation 1 of 2021."""
    w, b = layer.product.kernel.numpy().T, layer.product.bias.numpy()
    return x_0 * (w @ x + b) + x


@pytest.mark.parametrize(
    ("cross", "by_hand"), [("vector", vector_cross), ("matrix", matrix_cross)]
)
def test_score_is_of_the_crosses_beside_the_tower(cross, by_hand):
    model = with_fields.model(
        "dcn", embedding_dim=3, cross=cross, num_layers=2, hidden_units=(6, 5)
    )
    joined = with_fields.vectors(model.embeddings).reshape([3, 2, -1])
    deep = with_fields.tower(model.tower, joined)
    expected = np.zeros([3, 2])
    for place in np.ndindex(3, 2):
        crossed = joined[place]
        for layer in model.crosses:
            crossed = by_hand(layer, joined[place], crossed)
        expected[place] = (
            np.concatenate([crossed, deep[place]]) @ model.prediction.kernel.numpy()
            + model.prediction.bias.numpy()
        )[0]
    np.testing.assert_allclose(model(with_fields.PAIRS), expected, rtol=1e-4)
