"""GMF: equations 8 and 9 of He et al. 2017, by hand."""

import numpy as np
import pytest

from tests.support import with_ids
from tests.support.models import build


@pytest.fixture
def model():
    return with_ids.model("gmf", embedding_dim=3, l2=0.1)


def tables(model):
    embeddings = model.product.embeddings
    return embeddings.user.embeddings.numpy(), embeddings.item.embeddings.numpy()


def test_score_weighs_the_terms_of_the_product(model):
    users, items = tables(model)
    h, bias = model.product.h.numpy(), model.product.bias.numpy()
    score = model(with_ids.PAIRS)
    for row, column, user, item in with_ids.EACH_PAIR:
        p, q = users[user], items[item]
        expected = sum(h[d] * p[d] * q[d] for d in range(3)) + bias
        np.testing.assert_allclose(score[row, column], expected, rtol=1e-4)


def test_starts_as_matrix_factorisation():
    model = build("gmf", with_ids.SIZES, embedding_dim=3, stddev=1.0)
    score = model(with_ids.PAIRS)
    users, items = tables(model)
    np.testing.assert_allclose(score[1, 0], users[4] @ items[1], rtol=1e-5)


def test_what_a_batch_reads_decays_as_often_as_it_is_read(model):
    users, items = tables(model)
    model(with_ids.PAIRS)
    assert sum(model.losses) == 0
    model(with_ids.PAIRS, training=True)
    of_users = np.mean([(users[user] ** 2).sum() for user in (2, 4)])
    of_items = np.mean([(items[item] ** 2).sum() for item in (3, 5, 1, 1, 2, 2)])
    np.testing.assert_allclose(
        sum(model.losses), 0.1 * (of_users + of_items), rtol=1e-5
    )
