"""xDeepFM: equations 6, 7 and 9 of Lian et al. 2018, in loops."""

import numpy as np

from tests.support import with_fields


def compressed(kernels, fields):
    """Equations 6 and 7: [H_1 + ... + H_K] of the fields [F, D]."""
    pooled, maps = [], fields
    for kernel in kernels:
        num_fields, num_before, num_maps = kernel.shape
        new = np.zeros([num_maps, fields.shape[1]])
        for h in range(num_maps):
            for i in range(num_before):
                for j in range(num_fields):
                    new[h] += kernel[j, i, h] * (maps[i] * fields[j])
        pooled += new.sum(1).tolist()
        maps = new
    return pooled


def test_score_is_linear_explicit_and_deep():
    model = with_fields.model(
        "xdeepfm", embedding_dim=3, cin_units=(5, 4, 2), hidden_units=(6, 5)
    )
    kernels = [kernel.numpy() for kernel in model.cin.kernels]
    assert [kernel.shape for kernel in kernels] == [(4, 4, 5), (4, 5, 4), (4, 4, 2)]
    fields = with_fields.vectors(model.embeddings)
    deep = with_fields.tower(model.tower, fields.reshape([3, 2, -1]))
    expected = with_fields.linear(model.linear)
    for place in np.ndindex(expected.shape):
        explicit = compressed(kernels, fields[place])
        hidden = np.concatenate([explicit, deep[place]])
        expected[place] += hidden @ model.prediction.kernel.numpy()[:, 0]
    np.testing.assert_allclose(model(with_fields.PAIRS), expected, rtol=1e-4)
