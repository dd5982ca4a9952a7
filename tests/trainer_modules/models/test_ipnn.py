"""IPNN: section 3.2 of Qu et al. 2016, pair by pair."""

import itertools

import numpy as np

from tests.support import with_fields


def test_the_tower_reads_fields_and_inner_products():
    model = with_fields.model("ipnn", embedding_dim=3, hidden_units=(6, 5))
    fields = with_fields.vectors(model.embeddings)
    expected = np.zeros([3, 2])
    for place in np.ndindex(3, 2):
        products = [v @ w for v, w in itertools.combinations(fields[place], 2)]
        signals = np.concatenate([fields[place].ravel(), products])
        expected[place] = with_fields.prediction(model, signals)
    np.testing.assert_allclose(model(with_fields.PAIRS), expected, rtol=1e-4)
