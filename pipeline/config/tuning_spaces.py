"""The values that a Tuner tries: those declared with the settings, or one's own."""

from pathlib import Path
from typing import Any

from pipeline.config.combinations import model_problem
from pipeline.config.describe import nearest_name
from pipeline.config.errors import ConfigError
from pipeline.config.plain_yaml import read_yaml
from pipeline.config.sections import PipelineConfig, untuned
from trainer_modules.configs.parse import parse
from trainer_modules.configs.search import Choice, Space, space_around
from trainer_modules.registry import MODELS


def spaces(config: PipelineConfig) -> dict[str, Space]:
    """Returns the space around the settings of each model, by the model's name.

    Raises:
        ConfigError: If the file ``tuner.space`` cannot be read, names no model, or has
            an axis that cannot be used, also of a model that is not among those of the
            configuration; or if none of these has a setting to try.
    """
    own = _own_spaces(config)
    names = dict.fromkeys([*config.models, *own])
    found = {name: _space(config, name, own.get(name, {})) for name in names}
    if not any(found[name] for name in config.models):
        none = " and ".join(config.models)
        has = "has" if len(config.models) == 1 else "have"
        message = f"{none} {has} no settings to try; name another model"
        raise ConfigError(None, None, "models", message)
    return found


def _space(config: PipelineConfig, name: str, own: Any) -> Space:
    """Returns the space of a model around its settings, with its part of the file.

    Declared values that a run would reject beside the settings are left out.
    """
    if name not in MODELS:
        near = nearest_name(name, MODELS, is_key=False)
        raise _error(config, name, f"there is no such model{near}")
    if not isinstance(own, dict):
        raise _error(config, name, "expected settings with the values to try")
    if own and MODELS[name].task == "two_stage":
        raise _error(config, name, "its parts are tuned alone; name these instead")
    settings = untuned(config).models.get(name, {})
    try:
        space = space_around(parse(MODELS[name].config_class, settings), own)
    except (ValueError, TypeError) as error:
        raise _error(config, name, str(error)) from error
    for setting, axis in space.items():
        if not isinstance(axis, Choice):
            continue
        problems = {
            value: model_problem(name, {**settings, setting: value}, config)
            for value in axis.values
        }
        for value, problem in problems.items():
            if problem and setting in own:
                raise _error(config, name, f"{setting}: {value}: {problem}")
        fits = tuple(value for value, problem in problems.items() if not problem)
        space[setting] = Choice(fits)
    return space


def _own_spaces(config: PipelineConfig) -> dict[str, Any]:
    if config.tuner.space is None:
        return {}
    found = read_yaml(Path(config.tuner.space))
    if not isinstance(found, dict):
        raise _error(config, None, "expected models with the settings to try")
    return found


def _error(config: PipelineConfig, key: str | None, message: str) -> ConfigError:
    return ConfigError(Path(str(config.tuner.space)), None, key, message)
