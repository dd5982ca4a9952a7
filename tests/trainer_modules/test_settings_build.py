"""Settings of a model are rejected before a run, or the model can be built."""

import os
import typing

import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
import yaml
from hypothesis import HealthCheck, example, given, settings

from pipeline.config.errors import ConfigError
from pipeline.config.load import load_config
from tests.support.declared_values import inside, outside
from tests.support.models import make_interactions
from trainer_modules import features as f
from trainer_modules.configs.parse import parse
from trainer_modules.optimizers import OPTIMIZERS
from trainer_modules.registry import MODELS
from trainer_modules.sizes import Sizes
from trainer_modules.tasks import losses

EXAMPLES = int(os.environ.get("MARQUEE_EXAMPLES", "40"))
U, V = 5, 6  # rows of the user and the item table
GENRES = np.array([[0, 0], [0, 0], [2, 3], [3, 0], [0, 0], [4, 2]], np.int32)
IDS = Sizes(U, V)
FIELDS = Sizes(
    U,
    V,
    user_fields=("user_gender_index",),
    num_user_values=4,
    item_fields={"item_genres": GENRES},
    num_item_values=5,
)
FEATURES = {
    f.USER_INDEX: tf.constant([2, 4], tf.int64),
    f.ITEM_INDEX: tf.constant([[3, 5, 1], [1, 2, 2]], tf.int64),
    f.HISTORY_ITEM_INDEX: tf.constant([[4, 5, 2], [3, 0, 0]], tf.int64),
    f.HISTORY_LABEL: tf.constant([[1, 1, 0], [1, 0, 0]], tf.int64),
    f.HISTORY_TIMESTAMP: tf.constant([[7, 7, 10**9], [8, 0, 0]], tf.int64),
    "user_gender_index": tf.constant([[3, 0], [2, 3]], tf.int64),
}
LABEL = tf.constant([[1.0, 0, 0], [1, 0, 0]])
HINTS = {
    name: typing.get_type_hints(spec.config_class, include_extras=True)
    for name, spec in MODELS.items()
}


@st.composite
def models(draw):
    """A model with some of its settings, a few of which are out of bounds."""
    name = draw(st.sampled_from(list(MODELS)))
    hints, values = HINTS[name], {}
    if hints:
        keys = draw(st.lists(st.sampled_from(list(hints)), unique=True, max_size=6))
        values = {key: draw(inside(hints[key], 6)) for key in keys}
        if keys and draw(st.integers(0, 4)) == 0:
            values[keys[0]] = draw(outside(hints[keys[0]]))
    return name, values, draw(st.sampled_from([IDS, FIELDS]))


def build_and_step(name, config, sizes):
    """Builds a model, takes a step of what it learns by, and returns its scores."""
    model = MODELS[name].load_class()(config, sizes)
    if MODELS[name].task == "closed_form":
        model.solve(make_interactions([[2, 4], [2, 5], [3, 3], [4, 2]], U, V))
        return model(FEATURES)
    if not MODELS[name].is_fitted:  # its parts are, each alone
        return model(FEATURES)
    with tf.GradientTape(persistent=True) as tape:
        score = model(FEATURES, training=True)
        is_softmax = MODELS[name].task in ("sequence", "in_batch")
        given = (score[:, 0], score[:, 1:]) if is_softmax else (score, LABEL)
        loss = tf.reduce_sum(losses.loss_named(config.loss, V)(*given))
        loss += sum(model.losses)
    parts = getattr(model, "optimized_apart", [])
    parts = [*parts, (model, config.optimizer, config.learning_rate)]
    for part, name_of_optimizer, rate in parts:
        make = OPTIMIZERS.get(name_of_optimizer, OPTIMIZERS["adam"])  # for "auto"
        make(rate).minimize(loss, part.trainable_variables, tape=tape)
    return model(FEATURES)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("config") / "mine.yaml"


def outcome(path):
    """The configuration in a file, or why there is none."""
    try:
        return load_config(path), None
    except ConfigError as error:
        return None, error


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(models())
@example(("autoint", {"hidden_units": []}, IDS))
@example(("attrec", {"max_history_length": 1, "embedding_dim": 1}, IDS))
@example(("sasrec", {"heads": 3, "embedding_dim": 4}, IDS))
@example(("hstu", {"heads": 3, "embedding_dim": 4}, IDS))
@example(("mlp", {"hidden_units": [2, 1]}, IDS))
@example(("mf_als", {"regularization": 1e-38, "unobserved_weight": 0.0}, IDS))
@example(("ease", {"l2": 1e-3}, IDS))
@example(("item_knn", {"shrink": 3.4028234663852886e38}, IDS))
def test_settings_are_rejected_or_build_the_model(path, drawn):
    name, values, sizes = drawn
    path.write_text(yaml.safe_dump({"models": {name: values}}))
    config, error = outcome(path)
    if error is not None:
        assert error.file == path
        assert error.line >= 2
        assert error.key.startswith(f"models.{name}")
        return
    made = parse(MODELS[name].config_class, config.models[name])
    assert build_and_step(name, made, sizes).shape == [2, 3]
