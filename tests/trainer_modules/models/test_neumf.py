"""NeuMF: equations 12 and 13 of He et al. 2017; its halves have tests of their own."""

import numpy as np
import pytest

from tests.support import with_ids


@pytest.fixture
def make():
    def model(**settings):
        return with_ids.model(
            "neumf", embedding_dim=3, hidden_units=(8, 6, 4, 2), **settings
        )

    return model


def test_score_joins_the_product_and_the_tower_by_one_h(make):
    model = make()
    score = model(with_ids.PAIRS)
    users, items, tower_users, tower_items = (
        table.embeddings.numpy()
        for half in (model.gmf, model.mlp)
        for table in (half.embeddings.user, half.embeddings.item)
    )
    layers = with_ids.two_sided_layers(model.mlp)
    h = np.concatenate([model.gmf.h, model.mlp.h.kernel[:, 0]])
    for row, column, user, item in with_ids.EACH_PAIR:
        product = users[user] * items[item]
        tower = np.concatenate([tower_users[user], tower_items[item]])
        for weight, bias in layers:
            tower = np.maximum(tower @ weight + bias, 0)
        expected = np.concatenate([product, tower]) @ h + model.gmf.bias
        np.testing.assert_allclose(score[row, column], expected, rtol=1e-4)


def test_without_pre_training_nothing_changes(make):
    model = make()
    before = model(with_ids.PAIRS)
    assert list(model.pretrain()) == []
    np.testing.assert_array_equal(model(with_ids.PAIRS), before)


def test_pre_trained_halves_are_joined_by_alpha(make):
    model = make(
        pretraining_epochs=7,
        pretraining_learning_rate=0.2,
        alpha=0.3,
        optimizer="sgd",
        learning_rate=0.01,
    )
    logits = []
    for half, config in model.pretrain():
        assert (config.epochs, config.optimizer) == (7, "adam")
        assert config.learning_rate == 0.2
        # As training would do: what was learned is what is joined.
        for weight in half.trainable_variables:
            weight.assign(weight * 1.1)
        logits.append(half(with_ids.PAIRS).numpy())
    gmf, mlp = logits
    np.testing.assert_allclose(model(with_ids.PAIRS), 0.3 * gmf + 0.7 * mlp, rtol=1e-4)


@pytest.mark.integration
def test_training_trains_each_half_and_then_both(train, caplog):
    with caplog.at_level("INFO", logger="marquee.progress"):
        train("neumf", epochs=1, pretraining_epochs=2, batch_size=64)
    said = [r.progress for r in caplog.records if r.name == "marquee.progress"]
    assert [(p["epoch"], p["epochs"]) for p in said] == [
        *[(1, 2), (2, 2)],  # GMF
        *[(1, 2), (2, 2)],  # MLP
        (1, 1),
    ]
    # The joined model starts with what its halves have learned.
    assert said[4]["loss"] < min(said[0]["loss"], said[2]["loss"])
