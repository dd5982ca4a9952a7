"""OPNN: section 3.3 of Qu et al. 2016, a kernel for each outer product."""

import itertools

import numpy as np
import pytest

from tests.support import with_fields


def matrix_kernels(layer, fields):
    """[P]: each outer product, weighted number by number and added up."""
    products = []
    num_fields, dim = fields.shape
    for f, g in itertools.combinations(range(num_fields), 2):
        start = (g - f - 1) * dim
        kernel = layer.kernels[f].kernel.numpy()[:, start : start + dim]
        products.append(np.sum(kernel * np.outer(fields[f], fields[g])))
    return products


def vector_kernels(layer, fields):
    """[P]: the same of the diagonals."""
    pairs = itertools.combinations(fields, 2)
    return [
        np.sum(kernel * np.diag(np.outer(v, w)))
        for kernel, (v, w) in zip(layer.kernel.numpy(), pairs, strict=True)
    ]


@pytest.mark.parametrize(
    ("kernel", "by_hand"), [("matrix", matrix_kernels), ("vector", vector_kernels)]
)
def test_the_tower_reads_fields_and_outer_products(kernel, by_hand):
    model = with_fields.model(
        "opnn", embedding_dim=3, hidden_units=(6, 5), kernel=kernel
    )
    fields = with_fields.vectors(model.embeddings)
    expected = np.zeros([3, 2])
    for place in np.ndindex(3, 2):
        products = by_hand(model.products, fields[place])
        signals = np.concatenate([fields[place].ravel(), products])
        expected[place] = with_fields.prediction(model, signals)
    np.testing.assert_allclose(model(with_fields.PAIRS), expected, rtol=1e-4)
