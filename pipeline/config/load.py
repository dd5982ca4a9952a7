"""Loads a configuration from a YAML file and flags, and checks all of it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from components.metric_names import GATED_LABEL_METRICS
from pipeline.config.combinations import (
    any_disliked,
    check_combinations,
    model_problem,
)
from pipeline.config.describe import nearest_name
from pipeline.config.document import Document
from pipeline.config.errors import ConfigError
from pipeline.config.event_checks import check_events
from pipeline.config.list_rules_file import check_rules
from pipeline.config.online_checks import check_online
from pipeline.config.sections import LABEL_OF_EVENTS, PipelineConfig
from trainer_modules.configs.two_stage import TwoStageConfig
from trainer_modules.registry import MODELS, POPULARITY


def load_config(
    path: Path | None,
    overrides: Sequence[str] = (),
    flags: Mapping[str, tuple[str, str]] | None = None,
    defaults: Mapping[str, str] | None = None,
) -> PipelineConfig:
    """Returns a configuration, all of which was checked.

    Args:
        path: A YAML file; None for the defaults. A mapping of models or floors in the
            file replaces the default one.
        overrides: ``key=value`` with a dotted key, as passed to ``--set``; the value is
            YAML. It is added to a default mapping instead of replacing it.
        flags: Command-line flag → the key that it sets, and the value as text.
        defaults: Key → text, for a command with defaults of its own.

    Raises:
        ConfigError: If anything is wrong; it names the first error.
    """
    document = Document(path)
    for override in overrides:
        document.override(override)
    for flag, (key, text) in (flags or {}).items():
        document.put(key, text, flag)
    for key, text in (defaults or {}).items():
        if key not in document:
            document.put(key, text, "by default")
    config = msgspec.convert(document.checked(), PipelineConfig)
    if config.events.types or config.events.judged:
        check_events(config, document)
        config = msgspec.structs.replace(config, label=LABEL_OF_EVENTS)
    if not any_disliked(config) and "gate.floors" not in document:
        # Without disliked ratings, these metrics are not defined.
        floors = {
            metric: floor
            for metric, floor in config.gate.floors.items()
            if metric not in GATED_LABEL_METRICS
        }
        gate = msgspec.structs.replace(config.gate, floors=floors)
        config = msgspec.structs.replace(config, gate=gate)
    check_combinations(config, document)
    check_rules(config.lists.rules, document)
    check_online(config, document)
    config = _with_models(config, config.models)
    for name, settings in config.models.items():
        if problem := model_problem(name, settings, config):
            raise document.error(f"models.{name}", problem)
    return config


def select_models(config: PipelineConfig, names: Iterable[str]) -> PipelineConfig:
    """Returns a configuration with these models alone, and their settings.

    Args:
        config: A checked configuration.
        names: Registered models, or only ``all`` for every one of them.

    Raises:
        ConfigError: If a name is unknown, or there is none.
    """
    chosen = list(MODELS) if list(names) == ["all"] else list(names)
    for name in chosen:
        if name not in MODELS:
            message = f"no model {name!r}{nearest_name(name, MODELS, is_key=False)}"
            raise ConfigError(None, None, "--models", message)
    if not chosen:
        message = f"no model named; choose from {', '.join(MODELS)} or all"
        raise ConfigError(None, None, "--models", message)
    models = {name: config.models.get(name, {}) for name in chosen}
    for name in models:
        if problem := model_problem(name, models[name], config):
            raise ConfigError(None, None, f"--models {name}", problem)
    return _with_models(config, models)


def _with_models(
    config: PipelineConfig, models: Mapping[str, dict[str, Any]]
) -> PipelineConfig:
    """Adds popularity, which every model must beat, in front if it is missing.

    A model that consists of others gets their settings, which are those of the models.
    """
    if POPULARITY not in models:
        models = {POPULARITY: config.models.get(POPULARITY, {}), **models}
    models = {
        name: _with_parts(own, config.models)
        if MODELS[name].config_class is TwoStageConfig
        else own
        for name, own in models.items()
    }
    return msgspec.structs.replace(config, models=models)


def _with_parts(
    own: dict[str, Any], models: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    """Returns the settings of a model with those of its parts.

    Args:
        own: The settings of the model.
        models: The settings of all models, by name.
    """
    config = TwoStageConfig()
    of_parts = {
        f"{role}_settings": models.get(own.get(role, getattr(config, role)), {})
        for role in ("retrieval", "ranking")
    }
    return {**own, **{k: v for k, v in of_parts.items() if v and not own.get(k)}}
