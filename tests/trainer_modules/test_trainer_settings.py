"""The settings of a Trainer with those that a Tuner found."""

import dataclasses

import pytest

from tests.support.models import configure
from trainer_modules.registry import MODELS
from trainer_modules.trainer_settings import TrainerSettings


def settings(name, **own):
    return TrainerSettings(
        model=MODELS[name],
        config=configure(name, own),
        recipe=f"{name}-0123456789ab",
        seed=0,
        require_gpu=False,
        mixed_precision=False,
        warm_start=False,
        split={},
        max_scored_pairs=1,
        index_from=None,
        index_probes=1,
        leave_out=(),
        catalogue="",
        num_items=1,
        num_rated_items=1,
        num_items_before_test=1,
        own=own,
    )


def test_what_was_found_replaces_defaults_and_not_what_is_set():
    given = settings("mlp", tuned="auto", l2=0.5)
    found = {"l2": 0.1, "dropout_rate": 0.3, "hidden_units": [32, 16]}
    tuned = given.tuned(found)
    assert tuned.config == dataclasses.replace(
        given.config, dropout_rate=0.3, hidden_units=(32, 16)
    )
    # Other values are another model to the gate, and the same ones the same.
    assert tuned.recipe.startswith(f"{given.recipe}-")
    assert tuned.recipe == given.tuned(dict(found)).recipe
    assert tuned.recipe != given.tuned(found | {"l2": 0.2}).recipe


def test_without_a_study_there_is_nothing_to_take():
    assert settings("mlp").tuned(None) == settings("mlp")
    with pytest.raises(ValueError, match=r"no settings of mlp .* models.mlp.tuned is"):
        settings("mlp", tuned="auto").tuned(None)
