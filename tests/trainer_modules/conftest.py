"""The planted log and the models trained on it, once per session."""

import dataclasses

import pytest
import tensorflow as tf

from tests.support import models as support_models
from tests.support.catalogue import write_catalogue
from tests.support.planted_log import plant
from tests.support.transform import run_transform
from tests.support.transformed_log import write_transformed_log
from trainer_modules import features as f
from trainer_modules.beyond_accuracy import ListStatistics
from trainer_modules.registry import MODELS
from trainer_modules.signatures import Served
from trainer_modules.sizes import Sizes


@pytest.fixture(scope="session")
def transform(tmp_path_factory):
    """Runs ``run_transform`` in a folder of its own."""
    return lambda splits, custom_config, **more: run_transform(
        tmp_path_factory.mktemp("transform"), splits, custom_config, **more
    )


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory):
    """Writes a catalogue to a folder of its own."""
    return lambda item_ids, kinds=None, **lists: write_catalogue(
        tmp_path_factory.mktemp("catalogue"), item_ids, kinds, **lists
    )


@pytest.fixture(scope="session")
def planted(tmp_path_factory):
    """The checkerboard of ``tests/support/planted_log.py``."""
    return plant(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="session")
def transformed_log(planted, tmp_path_factory):
    """Writes a log of (item, label, stars) by user to a folder of its own."""

    def write(train, held_out, num_users, num_items, num_unknown_items=0, **more):
        return write_transformed_log(
            tmp_path_factory.mktemp("log"),
            planted.data.feature_spec,
            train,
            held_out,
            Sizes(num_users, num_items),
            num_unknown_items,
            **more,
        )

    return write


@pytest.fixture(scope="session")
def train(planted, tmp_path_factory):
    """Trains a model of the registry on the planted log."""
    return lambda name, seed=0, **overrides: support_models.train(
        name, planted.data, tmp_path_factory.mktemp("log"), seed, **overrides
    )


@pytest.fixture(scope="session")
def trained(train):
    """Returns a model of the registry, trained once with its paper's settings.

    Only the patience differs, because an epoch of the small log has a hundred steps.
    """
    models = {}

    def model(name):
        if name not in models:
            patience = {"patience": 3}
            settings = patience if MODELS[name].is_fitted else {}
            if MODELS[name].task == "two_stage":
                roles = ("retrieval_settings", "ranking_settings")
                settings = {"candidates": 16} | dict.fromkeys(roles, patience)
            models[name] = train(name, **settings)
        return models[name]

    return model


@pytest.fixture(scope="session")
def serve(planted):
    """Joins a model to the transform graph of the planted log."""

    def served(model, unit, share_of_users=1.0, new_items=(), index=None, rules=None):
        sizes = planted.data.sizes
        if new_items:  # whose fields the tables of the log do not have
            sizes = dataclasses.replace(
                sizes, num_new_items=len(new_items), item_fields={}
            )
        return Served(
            model,
            planted.output,
            unit=unit,
            user_fields=planted.data.user_fields,
            list_statistics=ListStatistics(planted.data.train_ratings, sizes),
            first_rated=dataclasses.replace(planted.data, sizes=sizes).first_rated(),
            num_unknown_items=3,
            share_of_users=share_of_users,
            reads_times=f.HISTORY_TIMESTAMP in getattr(model, "reads", ()),
            new_items=new_items,
            index=index,
            rules=rules,
        )

    return served


@pytest.fixture(scope="session")
def served(serve, trained):
    """Returns a trained model of the registry as it is served."""
    models = {}

    def model(name):
        if name not in models:
            loss = getattr(support_models.configure(name, {}), "loss", None)
            unit = {None: "order", "squared_error": "stars"}.get(loss, "logit")
            models[name] = serve(trained(name), unit)
        return models[name]

    return model


@pytest.fixture
def _mixed_float16():
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    yield
    tf.keras.mixed_precision.set_global_policy("float32")
