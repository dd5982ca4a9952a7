"""AutoInt: equations 5 to 9 of Song et al. 2019, head by head."""

import numpy as np

from tests.support import with_fields
from tests.support.models import build


def interacted(layer, fields):
    """[F, D] to [F, A]: each field attends to all, and keeps itself."""
    heads = []
    for query, key, value in zip(
        *(
            np.split(dense.kernel.numpy(), layer.num_heads, 1)
            for dense in (layer.query, layer.key, layer.value)
        ),
        strict=True,
    ):
        score = (fields @ query) @ (fields @ key).T
        weight = np.exp(score) / np.exp(score).sum(1, keepdims=True)
        heads.append(weight @ (fields @ value))
    return np.maximum(np.hstack(heads) + fields @ layer.residual.kernel.numpy(), 0)


def test_score_is_of_the_fields_after_attention():
    model = with_fields.model(
        "autoint", embedding_dim=3, num_layers=2, head_dim=4, hidden_units=()
    )
    fields = with_fields.vectors(model.embeddings)
    expected = np.zeros(fields.shape[:2])
    for place in np.ndindex(expected.shape):
        attended = fields[place]
        for layer in model.interacting:
            attended = interacted(layer, attended)
        expected[place] = (
            attended.ravel() @ model.prediction.kernel.numpy()[:, 0]
            + model.prediction.bias.numpy()
        )
    np.testing.assert_allclose(model(with_fields.PAIRS), expected, rtol=1e-4)


def test_a_tower_reads_the_fields_before_attention():
    model = with_fields.model("autoint", num_layers=1, hidden_units=(6, 5))
    kernel = model.prediction.kernel.numpy()
    model.prediction.kernel.assign(
        np.where(np.arange(len(kernel)) < 4 * 16, 0, kernel.T).T
    )
    joined = with_fields.vectors(model.embeddings).reshape([3, 2, -1])
    deep = with_fields.tower(model.towers[0], joined)
    expected = deep @ kernel[-5:, 0] + model.prediction.bias.numpy()
    np.testing.assert_allclose(model(with_fields.PAIRS), expected, rtol=1e-4)


def test_query_key_and_value_start_apart():
    model = build("autoint", num_layers=1, sizes=with_fields.SIZES)
    model(with_fields.PAIRS)
    layer = model.interacting[0]
    kernels = [layer.query.kernel, layer.key.kernel, layer.value.kernel]
    for a, b in zip(kernels, kernels[1:], strict=False):
        assert np.abs(a - b).mean() > 0.1
