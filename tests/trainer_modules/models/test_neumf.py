"""NeuMF: equations 12 and 13 of He et al. 2017; its halves have tests of their own."""

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.sizes import Sizes

SIZES = Sizes(num_users=5, num_items=6)
PAIRS = {
    f.USER_INDEX: tf.constant([2, 4]),
    f.ITEM_INDEX: tf.constant([[3, 5, 1], [1, 2, 2]]),
}


@pytest.fixture
def make(build):
    def model(**settings):
        made = build(
            "neumf", SIZES, embedding_dim=3, hidden_units=(8, 6, 4, 2), **settings
        )
        random = np.random.default_rng(0)
        made(PAIRS)
        for weight in made.trainable_variables:
            weight.assign(random.normal(0, 0.8, weight.shape))
        return made

    return model


def test_score_joins_the_product_and_the_tower_by_one_h(make):
    model = make()
    score = model(PAIRS)
    users, items, tower_users, tower_items = (
        table.embeddings.numpy()
        for half in (model.gmf, model.mlp)
        for table in (half.embeddings.user, half.embeddings.item)
    )
    [of_user] = model.mlp.first_user.get_weights()
    of_item, bias = model.mlp.first_item.get_weights()
    layers = [(np.concatenate([of_user, of_item]), bias)]
    layers += [layer.get_weights() for layer in model.mlp.deeper.dense]
    h = np.concatenate([model.gmf.h, model.mlp.h.kernel[:, 0]])
    for row, user in enumerate(PAIRS[f.USER_INDEX]):
        for column, item in enumerate(PAIRS[f.ITEM_INDEX][row]):
            product = users[user] * items[item]
            tower = np.concatenate([tower_users[user], tower_items[item]])
            for weight, bias in layers:
                tower = np.maximum(tower @ weight + bias, 0)
            expected = np.concatenate([product, tower]) @ h + model.gmf.bias
            np.testing.assert_allclose(score[row, column], expected, rtol=1e-4)


def test_without_pre_training_nothing_changes(make):
    model = make()
    before = model(PAIRS)
    assert list(model.pretrain()) == []
    np.testing.assert_array_equal(model(PAIRS), before)


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
        logits.append(half(PAIRS).numpy())
    gmf, mlp = logits
    np.testing.assert_allclose(model(PAIRS), 0.3 * gmf + 0.7 * mlp, rtol=1e-4)


def test_training_trains_each_half_and_then_both(train, caplog):
    with caplog.at_level("INFO", logger="marquee.progress"):
        train("neumf", epochs=1, pretraining_epochs=2, batch_size=64)
    said = [r.progress for r in caplog.records if r.name == "marquee.progress"]
    assert [(p["epoch"], p["epochs"]) for p in said] == [
        *[(1, 2), (2, 2)],  # GMF
        *[(1, 2), (2, 2)],  # MLP
        (1, 1),
    ]
    # What is joined knows from the start what its halves had learned.
    assert said[4]["loss"] < min(said[0]["loss"], said[2]["loss"])
