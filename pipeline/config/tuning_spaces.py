"""The values that a Tuner tries: those declared with the settings, or one's own."""

from pathlib import Path
from typing import Any

from pipeline.config.describe import nearest_name
from pipeline.config.errors import ConfigError
from pipeline.config.plain_yaml import read_yaml
from pipeline.config.sections import PipelineConfig, untuned
from trainer_modules.configs.parse import parse
from trainer_modules.configs.search import Space, space_around
from trainer_modules.registry import MODELS


def check_spaces(config: PipelineConfig) -> None:
    """Reads the file ``tuner.space``, before anything starts.

    Raises:
        ConfigError: If it cannot be read, or an axis in it cannot be used.
    """
    for name in [*config.models, *_own_spaces(config)]:
        space_of_model(config, name)


def space_of_model(config: PipelineConfig, name: str) -> Space:
    """Returns the space of a model around its settings.

    Raises:
        ConfigError: If the file names no model, or an axis in it cannot be used.
    """
    if name not in MODELS:
        near = nearest_name(name, MODELS, is_key=False)
        raise _error(config, name, f"there is no such model{near}")
    own = _own_spaces(config).get(name, {})
    if not isinstance(own, dict):
        raise _error(config, name, "expected settings with the values to try")
    settings = untuned(config).models.get(name, {})
    try:
        return space_around(parse(MODELS[name].config_class, settings), own)
    except (ValueError, TypeError) as error:
        raise _error(config, name, str(error)) from error


def _own_spaces(config: PipelineConfig) -> dict[str, Any]:
    if config.tuner.space is None:
        return {}
    found = read_yaml(Path(config.tuner.space))
    if not isinstance(found, dict):
        raise _error(config, None, "expected models with the settings to try")
    return found


def _error(config: PipelineConfig, key: str | None, message: str) -> ConfigError:
    return ConfigError(Path(str(config.tuner.space)), None, key, message)
