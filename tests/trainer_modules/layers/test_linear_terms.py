"""A weight for each value, added up in numpy."""

import numpy as np

from trainer_modules.layers.linear_terms import LinearTerms


def test_is_the_sum_of_a_weight_for_each_field_and_the_bias(sizes, features, vectors):
    layer = LinearTerms(sizes)
    layer(features)
    random = np.random.default_rng(0)
    for weight in layer.weights:
        weight.assign(random.normal(0, 1, weight.shape))
    of = layer.weights_of_values
    tables = (of.user, of.item, of.user_value, of.item_value)
    projections = (*of.user_projections, *of.item_projections)
    weights = vectors(
        *(table.embeddings.numpy() for table in tables),
        *(projection.kernel.numpy() for projection in projections),
    )
    assert weights.shape == (3, 2, 8, 1)
    expected = layer.bias.numpy() + weights.sum((2, 3))
    np.testing.assert_allclose(layer(features), expected, rtol=1e-5)
    assert sorted(w.shape.as_list() for w in layer.weights) == sorted(
        [[], [2, 1], [3, 1], [4, 1], [5, 1], [5, 1], [6, 1]]
    )
