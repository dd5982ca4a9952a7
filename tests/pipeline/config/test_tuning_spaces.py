"""A person's own values to try, and what is wrong with them, in one line."""

import pytest

from pipeline.config.errors import ConfigError
from pipeline.config.load import load_config
from pipeline.config.tuning_spaces import spaces
from trainer_modules.configs.search import Choice, Range, space_of
from trainer_modules.registry import MODELS


@pytest.fixture
def config(tmp_path):
    """Returns a configuration whose space is a YAML text."""

    def loaded(text, *settings):
        path = tmp_path / "space.yaml"
        path.write_text(text)
        return load_config(None, [f"tuner.space={path}", *settings])

    return loaded


def test_own_values_narrow_the_declared_space(config):
    found = spaces(
        config(
            "mf_als:\n  embedding_dim: [32, 64]\n"
            "  regularization: {low: 1e-3, high: 0.05}\n",
            "models.attrec={}",
        )
    )
    assert found["mf_als"] == {
        "embedding_dim": Choice((32, 64)),
        "regularization": Range(0.001, 0.05, log=True),
        "unobserved_weight": Range(0.01, 3.0, log=True),
    }
    declared = space_of(MODELS["attrec"].config_class)
    assert found["attrec"] == declared


def test_settings_that_are_set_widen_their_axis(config):
    found = spaces(config("{}", "models.mf_als.embedding_dim=1000"))
    assert found["mf_als"]["embedding_dim"].high == 1000


@pytest.mark.parametrize(
    ("settings", "model", "setting", "left"),
    [
        # A model of stars learns from ratings alone.
        (["loss=squared_error", "num_negatives=0"], "fm", "num_negatives", (0,)),
        # Heads share the dimensions equally.
        (["embedding_dim=50", "heads=2"], "sasrec", "heads", (1, 2)),
    ],
)
def test_declared_values_that_a_run_rejects_are_not_tried(
    config, settings, model, setting, left
):
    found = spaces(config("{}", *(f"models.{model}.{text}" for text in settings)))
    assert found[model][setting] == Choice(left)


def test_own_values_that_a_run_rejects_are_errors(config):
    text = "fm: {num_negatives: [0, 2]}"
    with pytest.raises(ConfigError, match="fm: num_negatives: 2: it learns stars"):
        spaces(
            config(text, "models.fm.loss=squared_error", "models.fm.num_negatives=0")
        )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mf_alz: {}", "mf_alz: there is no such model; did you mean 'mf_als'"),
        ("mf_als: [1]", "mf_als: expected settings with the values to try"),
        ("- 1", "expected models with the settings to try"),
        ("mf_als: {dim: [1]}", "mf_als: MFALSConfig has no field 'dim'"),
        ("mf_als: {embedding_dim: []}", "embedding_dim: expected a list of values, or"),
        ("mf_als: {embedding_dim: 3}", "embedding_dim: expected a list of values, or"),
        ("mf_als: {embedding_dim: {low: 1}}", "expected a list of values, or low and"),
        ("mf_als: {embedding_dim: [0]}", "Expected `int` >= 1"),
        ("mf_als: {regularization: {low: -1, high: 1}}", "Expected `float` > 0"),
        ("mf_als: {epochs: {low: 9, high: 3}}", "low is 9, which is not below high, 3"),
        ("mf_als: {embedding_dim: [1", "not YAML"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_file(config, text, expected):
    with pytest.raises(ConfigError) as caught:
        spaces(config(text))
    assert "space.yaml: " in str(caught.value) or "space.yaml:1: " in str(caught.value)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named():
    with pytest.raises(ConfigError, match=r"none\.yaml: No such file"):
        spaces(load_config(None, ["tuner.space=none.yaml"]))


def test_a_model_of_two_parts_is_not_tuned(config, tmp_path):
    alone = load_config(None, ["models.two_stage={}"])
    found = spaces(alone)
    assert found["mf_als"]
    assert not found["two_stage"]
    path = tmp_path / "config.yaml"
    path.write_text("models: {two_stage: {}}")
    with pytest.raises(ConfigError, match="popularity and two_stage have no settings"):
        spaces(load_config(path, []))
    with pytest.raises(ConfigError, match="two_stage: its parts are tuned alone; name"):
        spaces(config("two_stage: {candidates: [10, 20]}"))


def test_popularity_alone_has_nothing_to_try(config, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("models: {popularity: {}}")
    with pytest.raises(ConfigError, match="popularity has no settings to try"):
        spaces(load_config(path, []))
