"""Every declared setting: described, written out, and checked before a run starts."""

import typing
from pathlib import Path

import hypothesis.strategies as st
import msgspec
import pytest
import yaml
from hypothesis import example, given

from components.ratings_example_gen.settings import Settings
from pipeline.beam.options import beam_args
from pipeline.config.data_settings import data_settings
from pipeline.config.default_yaml import default_yaml
from pipeline.config.describe import expected
from pipeline.config.descriptions import description_of, descriptions_of_settings
from pipeline.config.errors import ConfigError
from pipeline.config.load import load_config
from pipeline.config.sections import PipelineConfig
from tests.support.declared_values import inside, outside
from trainer_modules.configs.factorization import HalfConfig
from trainer_modules.registry import MODELS

DEFAULT_YAML = Path(__file__).parents[3] / "configs" / "default.yaml"
SECTIONS = {
    name: hint
    for name, hint in typing.get_type_hints(PipelineConfig, include_extras=True).items()
    if issubclass(typing.get_origin(hint) or hint, msgspec.Struct)
}
CLASSES = {f"models.{name}": spec.config_class for name, spec in MODELS.items()}
CLASSES |= {"models.neumf.gmf": HalfConfig, "models.neumf.mlp": HalfConfig}
CLASSES |= SECTIONS
SETTINGS = {
    f"{section}.{name}": hint
    for section, config_class in CLASSES.items()
    for name, hint in typing.get_type_hints(config_class, include_extras=True).items()
    if hint is not HalfConfig
}


def test_default_yaml_is_what_make_defaults_writes():
    assert DEFAULT_YAML.read_text(encoding="utf-8") == default_yaml()


def test_default_yaml_has_the_defaults():
    # PyYAML alone is the oracle: none of our code has touched these values.
    written = yaml.safe_load(DEFAULT_YAML.read_text())
    assert written == msgspec.to_builtins(PipelineConfig())
    assert load_config(DEFAULT_YAML) == load_config(None) == PipelineConfig()


@pytest.mark.parametrize("section", CLASSES)
def test_every_setting_is_described(section):
    config_class = CLASSES[section]
    described = descriptions_of_settings(config_class)
    assert list(typing.get_type_hints(config_class)) == [
        name for name in typing.get_type_hints(config_class) if name in described
    ]
    for text in [description_of(config_class), *described.values()]:
        assert text[0] == text[0].upper(), text
        assert text.endswith((".", "...")), text


def numbers(hint):
    """The types of the numbers that a setting holds."""
    if typing.get_origin(hint) is typing.Annotated and hint.__origin__ in (int, float):
        return [hint]
    if hint in (int, float):
        return [hint]
    return [number for inner in typing.get_args(hint) for number in numbers(inner)]


@pytest.mark.parametrize("key", SETTINGS)
def test_every_number_has_bounds_and_words_for_them(key):
    for hint in numbers(SETTINGS[key]):
        assert typing.get_origin(hint) is typing.Annotated, "has no bounds"
    assert expected(SETTINGS[key])


@pytest.mark.parametrize("section", CLASSES)
def test_defaults_are_within_the_bounds(section):
    defaults = msgspec.to_builtins(CLASSES[section]())
    load_config(None, [f"{section}={yaml.safe_dump(defaults)}"])


class WithoutAliases(yaml.SafeDumper):
    """Writes a list that occurs twice in full: a configuration has no aliases."""

    def ignore_aliases(self, data):
        return True


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "mine.yaml"

    def write_file(values):
        text = yaml.dump(values, Dumper=WithoutAliases, allow_unicode=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def nested(key, value):
    """A mapping of mappings with one value."""
    for name in reversed(key.split(".")):
        value = {name: value}
    return value


@given(st.data())
def test_a_value_outside_the_bounds_is_rejected_at_its_place(write, data):
    key = data.draw(st.sampled_from(list(SETTINGS)))
    value = data.draw(outside(SETTINGS[key]))
    path = write(nested(key, value))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert caught.value.file == path
    assert (caught.value.key + ".").startswith(f"{key}.")
    assert caught.value.line >= key.count(".") + 1


def outcome(path):
    """The configuration in a file, or why there is none."""
    try:
        return load_config(path), None
    except ConfigError as error:
        return None, error


@st.composite
def configurations(draw):
    """Sections of settings, most of them within their bounds."""
    values = {}
    names = draw(st.lists(st.sampled_from(list(SECTIONS)), unique=True, max_size=3))
    for section in names:
        hints = typing.get_type_hints(SECTIONS[section], include_extras=True)
        keys = draw(st.lists(st.sampled_from(list(hints)), unique=True, max_size=4))
        values[section] = {key: draw(inside(hints[key], 10**6)) for key in keys}
    return values


@given(configurations())
@example({"data": {"source": "a", "encoding": "undefined"}})
@example({"data": {"source": "a", "encoding": "a\0b"}})
@example({"data": {"source": "a", "timezone": "a\0b"}})
@example({"data": {"source": "a", "timezone": ".."}})
@example({"retrain": {"window": f"{'9' * 5000} days"}})
def test_any_values_within_the_bounds_are_rejected_or_can_be_used(write, values):
    path = write(values)
    config, error = outcome(path)
    if error is not None:
        assert error.file == path
        assert error.line
        assert error.key.split(".")[0] in values
        return
    settings = data_settings(config)
    assert Settings.from_json(settings.to_json()) == settings
    assert all(isinstance(flag, str) for flag in beam_args(config.beam))
    assert msgspec.json.decode(msgspec.json.encode(config.gate), type=type(config.gate))


PROBES = {
    "data.max_history": [2, 0, -1],
    "data.max_bad_fraction": [1, 1.5, -0.1],
    "models.neumf.dropout_rate": [5, 1],
    "models.neumf.learning_rate": [0, -0.1],
    "models.neumf.hidden_units": [[], [8], [64], [8, 0]],
    "models.neumf.alpha": [7, -1],
    "models.neumf.gmf.epochs": [-1, 1.5],
    "models.neumf.mlp.learning_rate": [0, "much"],
    "models.mlp.hidden_units": [[], [64]],
    "models.ncf.hidden_units": [[]],
    "models.xdeepfm.cin_units": [[], [0]],
    "models.deepfm.hidden_units": [[]],
    "models.mf_als.regularization": [0],
    "models.attrec.long_term_weight": [1.1],
    "models.gmf.learning_rate_decay": [0, 2],
    "serving.check_seconds": [0],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key in PROBES for value in PROBES[key]]
)
def test_what_would_fail_in_a_step_is_rejected_before_the_run(write, key, value):
    path = write(nested(key, value))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert (caught.value.file, caught.value.key) == (path, key)
    assert caught.value.line == key.count(".") + 1
    assert caught.value.message.startswith("expected ")


@pytest.mark.parametrize("name", ["mlp", "neumf"])
def test_user_and_item_share_the_first_width(write, name):
    path = write(nested(f"models.{name}.hidden_units", [1, 8]))
    with pytest.raises(ConfigError, match="hidden_units starts with 1") as caught:
        load_config(path)
    assert (caught.value.line, caught.value.key) == (2, f"models.{name}")


def test_heads_share_the_vectors_length(write):
    path = write(nested("models.sasrec.heads", 3))
    with pytest.raises(ConfigError, match="64, which 3 heads") as caught:
        load_config(path)
    assert (caught.value.line, caught.value.key) == (2, "models.sasrec")


def test_an_interval_of_calibration_that_holds_nothing_is_rejected(write):
    path = write({"gate": {"metric": "mrr", "min_calibration": 3.0}})
    with pytest.raises(ConfigError, match="no model could pass") as caught:
        load_config(path)
    assert (caught.value.line, caught.value.key) == (3, "gate.min_calibration")
