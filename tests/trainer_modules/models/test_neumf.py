"""NeuMF: equations 12 and 13 of He et al. 2017; its halves have tests of their own."""

import dataclasses

import numpy as np
import pytest

from tests.support import with_ids
from tests.support.models import build
from trainer_modules.configs.factorization import HalfConfig
from trainer_modules.sizes import Sizes


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
    gmf_alone = HalfConfig(7, 100, 0.2, 0.9, num_negatives=3, l2=0.01)
    mlp_alone = HalfConfig(5, 50, 0.1)
    model = make(
        gmf=gmf_alone,
        mlp=mlp_alone,
        alpha=0.3,
        optimizer="sgd",
        learning_rate=0.01,
        l2=0.5,
    )
    logits = []
    for (half, config), alone in zip(
        model.pretrain(), (gmf_alone, mlp_alone), strict=True
    ):
        assert config.optimizer == "adam"
        for name, value in dataclasses.asdict(alone).items():
            assert getattr(config, name) == value, name
        # Each half decays by its own setting, and by that of the whole once joined.
        half(with_ids.PAIRS, training=True)
        decay = sum(half.losses)
        vectors = half.embeddings(with_ids.PAIRS)
        squares = [np.mean(np.sum(vector**2, -1)) for vector in vectors]
        np.testing.assert_allclose(decay, alone.l2 * sum(squares), rtol=1e-5)
        # As training would do: what was learned is what is joined.
        for weight in half.trainable_variables:
            weight.assign(weight * 1.1)
        logits.append(half(with_ids.PAIRS).numpy())
    gmf, mlp = logits
    np.testing.assert_allclose(model(with_ids.PAIRS), 0.3 * gmf + 0.7 * mlp, rtol=1e-4)
    assert model.gmf.embeddings.l2 == model.mlp.embeddings.l2 == 0.5


@pytest.mark.parametrize("alone", ["gmf", "mlp"])
def test_a_half_that_is_pre_trained_without_the_other_keeps_its_scores(make, alone):
    model = make(**{alone: HalfConfig(epochs=2)}, alpha=0.3)
    for half, _ in model.pretrain():
        half(with_ids.PAIRS)  # makes its weights
        for weight in half.trainable_variables:
            weight.assign(weight * 1.1)
        learned = half(with_ids.PAIRS).numpy()
    assert half is getattr(model, alone)
    other = {"gmf": model.mlp, "mlp": model.gmf}[alone]
    expected = learned + other(with_ids.PAIRS)
    np.testing.assert_allclose(model(with_ids.PAIRS), expected, rtol=1e-5)


def test_the_product_starts_from_vectors_of_the_given_deviation():
    model = build("neumf", Sizes(500, 500), embedding_dim=8, stddev=0.3)
    model(with_ids.PAIRS)
    assert np.std(model.gmf.embeddings.user.embeddings) == pytest.approx(0.3, rel=0.1)
    assert np.std(model.mlp.embeddings.user.embeddings) == pytest.approx(0.01, rel=0.1)


def test_training_trains_each_half_and_then_both(train, caplog):
    alone = HalfConfig(epochs=2, batch_size=64)
    with caplog.at_level("INFO", logger="marquee.progress"):
        train("neumf", epochs=1, gmf=alone, mlp=alone, batch_size=64)
    said = [r.progress for r in caplog.records if r.name == "marquee.progress"]
    assert [(p["epoch"], p["epochs"]) for p in said] == [
        *[(1, 2), (2, 2)],  # GMF
        *[(1, 2), (2, 2)],  # MLP
        (1, 1),
    ]
    # The joined model starts with what its halves have learned.
    assert said[4]["loss"] < min(said[0]["loss"], said[2]["loss"])
